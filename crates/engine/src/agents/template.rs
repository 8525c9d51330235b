//! Templates of agents: Handlebars, without escaping for HTML, and bounded in every way.
//!
//! Handlebars has no bound of its own on depth or time, so a template is looked through before it is
//! filled: nothing in it can call itself, and what it costs at most is known.

use std::{
    io,
    time::{Duration, Instant},
};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason,
    ScopedJson, handlebars_helper, no_escape,
    template::{Parameter, Template as Parsed, TemplateElement},
};
use iris_domain::{
    Problem,
    agent::{BUILT_IN, PROJECT},
    problem::Code,
};
use serde_json::Value;

use super::folder::TEMPLATE_MAX;

/// A prompt that is longer is none.
const PROMPT_MAX: usize = 1024 * 1024;
/// `{{` in a template, which bounds how deep its blocks are.
const TAGS_MAX: usize = 500;
/// Brackets between two `{{`, which bounds how deep an expression is.
const BRACKETS_MAX: usize = 500;
/// Items of one list, which bounds a loop.
const ITEMS_MAX: usize = 1000;
/// Elements that are filled at most, loops counted with [`ITEMS_MAX`] each.
const COST_MAX: u64 = 10_000_000;
/// After this a template is given up.
const WITHIN: Duration = Duration::from_secs(2);

/// A template that can be filled.
pub(super) struct Template {
    registry: Handlebars<'static>,
    /// What it is called in errors: its file.
    shown: String,
}

/// Under which name the template itself is known: no partial can have it.
const MAIN: &str = "";

impl Template {
    /// Reads a template. `shown` is its file.
    pub(super) fn parse(kind: &str, shown: &str, text: &str) -> Result<Self, Problem> {
        bounded(shown, text)?;
        let mut registry = Handlebars::new();
        registry.register_escape_fn(no_escape);
        registry.set_prevent_indent(true);
        registry.unregister_helper("log");
        registry.register_helper("upper", Box::new(upper));
        registry.register_helper("lower", Box::new(lower));
        registry.register_helper("json", Box::new(json));
        registry.register_helper("includes", Box::new(includes));
        registry.register_helper("hasPackage", Box::new(HasPackage));
        let partials = BUILT_IN.iter().map(|kind| (kind.name, kind.template));
        for (name, text) in partials.chain([PROJECT]) {
            let parsed = compile(name, text)?;
            registry.register_template(&format!("base/{name}"), parsed);
        }
        let parsed = compile(shown, text)?;
        let cost = cost(&parsed, &registry)
            .map_err(|why| wrong(shown, None, &format!("{why} (agent type {kind})")))?;
        if cost > COST_MAX {
            return Err(wrong(
                shown,
                None,
                "its loops within loops are too much work",
            ));
        }
        registry.register_template(MAIN, parsed);
        Ok(Self {
            registry,
            shown: shown.to_owned(),
        })
    }

    /// The prompt, with these variables.
    pub(super) fn fill(&self, data: &Value) -> Result<String, Problem> {
        if longest(data) > ITEMS_MAX {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("a list of the context has more than {ITEMS_MAX} items"),
                "Give fewer, or one text.",
            ));
        }
        let mut prompt = Prompt {
            bytes: Vec::new(),
            until: Instant::now() + WITHIN,
        };
        self.registry
            .render_to_write(MAIN, data, &mut prompt)
            .map_err(|error| wrong(&self.shown, error.line_no, &reason(&error)))?;
        String::from_utf8(prompt.bytes)
            .map_err(|error| wrong(&self.shown, None, &error.to_string()))
    }
}

fn reason(error: &RenderError) -> String {
    match error.reason() {
        RenderErrorReason::IOError(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn wrong(shown: &str, line: Option<usize>, why: &str) -> Problem {
    let line = line
        .map(|line| format!(", line {line}"))
        .unwrap_or_default();
    Problem::new(
        Code::InvalidInput,
        format!("the template {shown}{line} cannot be used: {why}"),
        "Correct it, or remove it to have what comes with Iris; docs/AGENTS.md says what a template may have.",
    )
}

fn compile(shown: &str, text: &str) -> Result<Parsed, Problem> {
    Parsed::compile(text).map_err(|error| {
        let line = error.pos().map(|(line, _)| line);
        wrong(shown, line, &error.reason().to_string())
    })
}

/// What the parser, which calls itself, is spared.
fn bounded(shown: &str, text: &str) -> Result<(), Problem> {
    if text.len() > TEMPLATE_MAX {
        return Err(wrong(
            shown,
            None,
            &format!("it is larger than {TEMPLATE_MAX} bytes"),
        ));
    }
    let mut line = 1;
    for (count, part) in text.split("{{").enumerate() {
        let brackets = part
            .bytes()
            .filter(|byte| matches!(byte, b'(' | b'[' | b'{'))
            .count();
        if brackets > BRACKETS_MAX && count > 0 {
            return Err(wrong(
                shown,
                Some(line),
                "an expression has too many brackets",
            ));
        }
        if count > TAGS_MAX {
            return Err(wrong(
                shown,
                Some(line),
                &format!("it has more than {TAGS_MAX} tags"),
            ));
        }
        line += part.matches('\n').count();
    }
    Ok(())
}

/// Why a template is not filled although it can be read.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("`{{{{#*…}}}}` and `{{{{#>…}}}}` are not supported")]
    Block,
    #[error(
        "`{{{{> {0}}}}}` is not there: a template can have `base/KIND` of Iris's own kinds, and `base/project`"
    )]
    Partial(String),
}

/// How many elements are filled at most.
fn cost(template: &Parsed, registry: &Handlebars<'_>) -> Result<u64, Refused> {
    let mut all: u64 = 0;
    for element in &template.elements {
        let one = match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => 1,
            TemplateElement::Expression(it)
            | TemplateElement::HtmlExpression(it)
            | TemplateElement::HelperBlock(it) => {
                let inside = |part: &Option<Parsed>| {
                    part.as_ref().map_or(Ok(0), |part| cost(part, registry))
                };
                let once = matches!(it.name.as_name(), Some("if" | "unless" | "with"));
                let times = if once { 1 } else { ITEMS_MAX as u64 };
                let parameters = it
                    .params
                    .iter()
                    .chain(it.hash.values())
                    .map(weight)
                    .sum::<u64>();
                inside(&it.template)?
                    .saturating_mul(times)
                    .saturating_add(inside(&it.inverse)?)
                    .saturating_add(1 + parameters)
            }
            TemplateElement::PartialExpression(it) => {
                let name = it.name.as_name().unwrap_or("(…)");
                let partial = name
                    .starts_with("base/")
                    .then(|| registry.get_template(name));
                match partial.flatten() {
                    // Iris's own: none has one that has it.
                    Some(partial) => cost(partial, registry)?.saturating_add(1),
                    None => return Err(Refused::Partial(name.to_owned())),
                }
            }
            TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_)
            | TemplateElement::PartialBlock(_) => return Err(Refused::Block),
            _ => return Err(Refused::Block),
        };
        all = all.saturating_add(one);
    }
    Ok(all)
}

fn weight(parameter: &Parameter) -> u64 {
    match parameter {
        Parameter::Subexpression(inner) => {
            let all = inner.params().into_iter().flatten();
            1 + all.map(weight).sum::<u64>()
        }
        Parameter::Name(_) | Parameter::Path(_) | Parameter::Literal(_) => 1,
        _ => 1,
    }
}

fn longest(value: &Value) -> usize {
    match value {
        Value::Array(all) => all.iter().map(longest).max().unwrap_or(0).max(all.len()),
        Value::Object(all) => all.values().map(longest).max().unwrap_or(0).max(all.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Takes what is filled, up to a bound of length and of time.
struct Prompt {
    bytes: Vec<u8>,
    until: Instant,
}

impl io::Write for Prompt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > PROMPT_MAX {
            return Err(io::Error::other(format!(
                "the prompt is larger than {PROMPT_MAX} bytes"
            )));
        }
        if Instant::now() > self.until {
            return Err(io::Error::other(format!(
                "it took longer than {} s",
                WITHIN.as_secs()
            )));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

handlebars_helper!(upper: |text: str| text.to_uppercase());
handlebars_helper!(lower: |text: str| text.to_lowercase());
handlebars_helper!(json: |value: Json| serde_json::to_string_pretty(value).unwrap_or_default());
handlebars_helper!(includes: |all: Json, one: Json| match (all, one) {
    (Value::Array(all), one) => all.contains(one),
    (Value::String(all), Value::String(one)) => all.contains(one.as_str()),
    (Value::Object(all), Value::String(one)) => all.contains_key(one),
    _ => false,
});

/// `(hasPackage "react")`: whether it is among the dependencies or those of development;
/// `(hasPackage dependencies "react")`: whether it is among these.
struct HasPackage;

impl HelperDef for HasPackage {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let given = |at: usize| helper.param(at).map(handlebars::PathAndJson::value);
        let has = |all: &Value, name: &str| match all {
            Value::Array(all) => all.iter().any(|it| it == name),
            other => other.get(name).is_some(),
        };
        let found = match (given(0), given(1)) {
            (Some(Value::String(name)), None) => ["dependencies", "devDependencies"]
                .into_iter()
                .filter_map(|list| context.data().get(list))
                .any(|all| has(all, name)),
            (Some(all), Some(Value::String(name))) => has(all, name),
            _ => false,
        };
        Ok(ScopedJson::Derived(Value::Bool(found)))
    }
}
