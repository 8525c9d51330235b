//! The record as a file for other programs.

use serde::{Deserialize, Serialize};

use super::Row;

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(rename = "ExportFormat"))]
pub enum Format {
    /// A line of JSON for each row: `{"seq":…,"prev":…,"hash":…,"row":{…}}`, where `row` is the very
    /// text that the hash covers, so that the chain can be checked elsewhere ([`super::hash`]).
    Jsonl,
    /// A table for spreadsheets: no cell is taken for a formula there.
    Csv,
}

const COLUMNS: &str = "seq,time,kind,decision,decidedBy,why,team,tool,input,caller,session,host,waitMs,digest,policyHash,prev,hash";

impl Format {
    /// As the end of a file's name, and in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// What stands before the first row.
    pub fn head(self) -> String {
        match self {
            Self::Jsonl => String::new(),
            Self::Csv => format!("{COLUMNS}\r\n"),
        }
    }

    /// A row, with the end of its line.
    ///
    /// # Errors
    /// As [`super::Draft::canonical`].
    pub fn line(self, row: &Row) -> Result<String, serde_json::Error> {
        let draft = &row.draft;
        Ok(match self {
            Self::Jsonl => format!(
                "{{\"seq\":{},\"prev\":{},\"hash\":{},\"row\":{}}}\n",
                row.seq,
                serde_json::to_string(&row.prev)?,
                serde_json::to_string(&row.hash)?,
                draft.canonical()?
            ),
            Self::Csv => {
                let input = if draft.input.is_null() {
                    String::new()
                } else {
                    draft.input.to_string()
                };
                let cells = [
                    &row.seq.to_string(),
                    &draft.time.to_string(),
                    draft.kind.as_str(),
                    draft.decision.as_str(),
                    &draft.decided_by,
                    &draft.why,
                    &draft.team,
                    &draft.tool,
                    &input,
                    &draft.caller,
                    &draft.session,
                    &draft.host,
                    &draft.wait_ms.to_string(),
                    &draft.digest,
                    &draft.policy_hash,
                    &row.prev,
                    &row.hash,
                ];
                format!("{}\r\n", cells.map(cell).join(","))
            }
        })
    }
}

/// A cell of RFC 4180. What a spreadsheet would take for a formula gets a `'` before it.
fn cell(text: &str) -> String {
    let formula = text.trim_start().starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]) || text.starts_with(['\t', '\r', '\n']);
    let guard = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\r', '\n', ';', '\t']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::*, *};

    fn row(input: Value) -> Row {
        let draft = Draft {
            input,
            why: "=HYPERLINK(\"x\")".into(),
            team: "-alpha".into(),
            ..Draft::event("2026-01-02T03:04:05Z".parse().unwrap(), Kind::Call, "a,b")
        };
        let text = draft.canonical().unwrap();
        Row {
            seq: 3,
            hash: hash(FIRST_PREV, 3, &text),
            prev: FIRST_PREV.to_owned(),
            draft,
        }
    }

    #[test]
    fn the_chain_can_be_checked_from_the_lines_alone() {
        let row = row(json!({"command": "a\nb \"c\" ä", "n": 1.5e300}));
        let line = Format::Jsonl.line(&row).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let parsed: Value = serde_json::from_str(&line).unwrap();
        // What stands after `"row":`, without the last brace.
        let (_, text) = line.trim_end().split_once("\"row\":").unwrap();
        let text = text.strip_suffix('}').unwrap();
        let (prev, seq) = (
            parsed["prev"].as_str().unwrap(),
            parsed["seq"].as_u64().unwrap(),
        );
        assert_eq!(parsed["hash"], hash(prev, seq, text));
    }

    #[test]
    fn no_cell_is_a_formula_and_every_row_has_all_columns() {
        let line = Format::Csv.line(&row(Value::Null)).unwrap();
        assert!(
            line.contains(r#","'=HYPERLINK(""x"")","'-alpha","a,b",,"#),
            "{line}"
        );
        assert!(line.ends_with("\r\n"));
        let line = Format::Csv.line(&row(json!({"a": 1}))).unwrap();
        assert!(
            line.contains(r#","{""a"":1}","#) || line.contains(r#"{"a":1}"#),
            "{line}"
        );
        for text in [
            "=1",
            "+1",
            "-1",
            "@a",
            " =1",
            "\t=1",
            "\r=1",
            "\n",
            "\u{ff1d}1",
        ] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        for text in ["", "a", "a=1", "{}"] {
            assert_eq!(cell(text), text);
        }
    }
}
