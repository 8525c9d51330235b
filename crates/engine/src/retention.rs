//! Takes old rows out of the audit record and old entries out of the transcripts, as
//! `settings.auditRetentionDays` and `settings.transcriptRetentionDays` say: at the start, and daily.

use std::{sync::Arc, time::Duration};

use iris_domain::{audit::prune_before, config::Config};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{clock, store::Store, transcripts::Transcripts};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until `shutdown`.
pub(crate) async fn keep(
    store: Store,
    transcripts: Transcripts,
    config: watch::Receiver<Arc<Config>>,
    shutdown: CancellationToken,
) {
    let mut daily = interval(DAY);
    daily.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = async {
        loop {
            daily.tick().await;
            let (rows, entries) = {
                let config = config.borrow();
                let settings = &config.settings;
                (
                    settings.audit_retention_days,
                    settings.transcript_retention_days,
                )
            };
            prune(&store, rows).await;
            if let Some(before) = prune_before(clock::now(), entries)
                && let Err(error) = transcripts.prune(before).await
            {
                tracing::error!(%error, "Old transcripts cannot be deleted; it is tried again tomorrow, or at the next start.");
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

async fn prune(store: &Store, days: u32) {
    let now = clock::now();
    let Some(before) = prune_before(now, days) else {
        return;
    };
    match store.prune(before, now).await {
        Ok(Some(anchor)) => {
            tracing::info!(
                rows = anchor.rows,
                until = anchor.seq,
                "Old audit rows were pruned."
            );
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "Old audit rows cannot be pruned; it is tried again tomorrow, or at the next start.");
        }
    }
}
