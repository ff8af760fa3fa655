//! Who reads which history, written down before it is shown, where the server is told to.
//! Does not know how it is kept.

use std::net::SocketAddr;
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use super::status::{IntoStatus as _, status};
use crate::audit::ReadLog;
use crate::ledger::FailureClass;
use crate::proto::{EventFilter, HistoryRead};

/// The metadata in which a caller says who reads.
pub(super) const ACTOR: &str = "order-ledger-actor";
/// Entries that are written at once: limits of the ledger are met whatever they say.
const READS_AT_ONCE: usize = 50;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<SocketAddr>);

/// Writes down who reads; or nothing, where nobody asked for that.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads(Option<Arc<ReadLog>>);

/// Somebody who calls, and what is read by that.
#[derive(Debug)]
pub(super) struct Reader {
    log: Arc<ReadLog>,
    read: HistoryRead,
}

impl Reads {
    pub(super) fn into(log: ReadLog) -> Self {
        Self(Some(Arc::new(log)))
    }

    /// Who calls this method.
    pub(super) fn reader<T>(&self, method: &str, request: &Request<T>) -> Option<Reader> {
        let log = Arc::clone(self.0.as_ref()?);
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
        let read = HistoryRead {
            method: method.to_owned(),
            reader: said_by(request.metadata()),
            peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            ..HistoryRead::default()
        };
        Some(Reader { log, read })
    }

    /// Writes down that the caller of this method reads orders.
    pub(super) async fn of_orders<T>(
        &self,
        method: &str,
        request: &Request<T>,
        correlation_ids: &[&str],
    ) -> Result<(), Status> {
        let Some(reader) = self.reader(method, request) else {
            return Ok(());
        };
        let named = correlation_ids.iter().filter(|id| !id.is_empty());
        reader.reads_each(named.copied(), "").await
    }

    /// Writes down that the caller of this method reads many orders, which `scope` tells.
    pub(super) async fn of_many<T>(
        &self,
        method: &str,
        request: &Request<T>,
        scope: impl FnOnce() -> String,
    ) -> Result<(), Status> {
        match self.reader(method, request) {
            Some(reader) => reader.reads(scope()).await,
            None => Ok(()),
        }
    }
}

impl Reader {
    /// Writes down that each of these orders is read; `scope` says why, where nobody named it.
    pub(super) async fn reads_each(
        &self,
        correlation_ids: impl Iterator<Item = &str>,
        scope: &str,
    ) -> Result<(), Status> {
        let of = |id: &str| HistoryRead {
            correlation_id: id.to_owned(),
            scope: scope.to_owned(),
            ..self.read.clone()
        };
        let reads: Vec<HistoryRead> = correlation_ids.map(of).collect();
        for some in reads.chunks(READS_AT_ONCE) {
            record(&self.log, some.to_vec()).await?;
        }
        Ok(())
    }

    /// Writes down that many orders are read, which `scope` tells.
    pub(super) async fn reads(self, scope: String) -> Result<(), Status> {
        let Self { log, read } = self;
        record(&log, vec![HistoryRead { scope, ..read }]).await
    }
}

/// What cannot be written down is not shown.
async fn record(log: &ReadLog, reads: Vec<HistoryRead>) -> Result<(), Status> {
    // A request that names nothing is refused for that.
    if reads.is_empty() {
        return Ok(());
    }
    let recorded = match log.record(reads) {
        Ok(pending) => pending.await,
        Err(error) => Err(error),
    };
    recorded.map(|_| ()).map_err(|error| {
        if error.class() == FailureClass::Refused {
            return error.into_status();
        }
        status(
            Code::Unavailable,
            "READ_NOT_RECORDED",
            FailureClass::NotWritten,
            format!("who reads is recorded here, and that failed: {error}; retry later"),
        )
    })
}

fn said_by(metadata: &MetadataMap) -> String {
    let said = metadata.get(ACTOR).and_then(|said| said.to_str().ok());
    said.unwrap_or_default().to_owned()
}

/// A place in the log, and what of it is read.
pub(super) fn scope(from: String, filters: &[EventFilter]) -> String {
    if filters.is_empty() {
        return from;
    }
    let filters: Vec<String> = filters.iter().map(words).collect();
    format!("{from}: {}", filters.join(" or "))
}

fn words(filter: &EventFilter) -> String {
    let fields = [
        ("types", &filter.types),
        ("groups", &filter.groups),
        ("sources", &filter.sources),
        ("correlation_ids", &filter.correlation_ids),
        ("correlation_id_prefixes", &filter.correlation_id_prefixes),
        ("warehouses", &filter.warehouses),
    ];
    let said = fields.iter().filter(|(_, values)| !values.is_empty());
    let said: Vec<_> = said.map(|(name, values)| format!("{name} {}", values.join(","))).collect();
    said.join(" and ")
}
