//! Finds the orders that carry a reference, and how far sources' news reach.
//! Does not know how references came into the tables.

use redb::ReadableTable as _;

use super::ask::{FindPosition, FindQuery, FoundOrder, FoundOrders, SourceWatermark};
use super::changes::{SourceRow, carried_of, status_of};
use super::failure::Failure;
use super::key::{behind, behind_texts, number_of, texts};
use super::row::{DamagedRow, decode_row};
use super::snapshot::Snapshot;
use crate::event::is_ledgers_own;
use crate::order::OrderStatus;
use crate::proto::{OrderReference, Reference};
use crate::time::timestamp;

/// The type of the reference that an order's own name is.
const OWN_NAME: &str = "correlation_id";

/// Answers a look-up.
pub(super) fn find(snapshot: &Snapshot, query: &FindQuery) -> Result<FoundOrders, Failure> {
    let mut found = FoundOrders { basis: snapshot.basis(), ..FoundOrders::default() };
    let limit = query.limit.max(1);
    let mut last = FindPosition::default();
    if query.after.is_none() && query.issuer.is_none() && asks_for_own_name(query) {
        found.rows.extend(by_own_name(snapshot, &query.value)?);
    }
    let mut prefix = vec![query.value.as_str()];
    prefix.extend(query.kind.as_deref());
    if query.kind.is_some() {
        prefix.extend(query.issuer.as_deref());
    }
    let prefix = texts(&prefix);
    let mut begin = prefix.clone();
    if let Some(FindPosition(after)) = query.after.as_ref().filter(|after| !after.0.is_empty()) {
        begin = begin.max(after.clone());
        begin.push(0);
    }
    let end = behind(&prefix);
    let issuer = query.issuer.as_deref().map(|issuer| texts(&[issuer]));
    let range = || snapshot.references.range(begin.as_slice()..end.as_slice());
    let keys = (begin < end).then(range).transpose()?;
    for row in keys.into_iter().flatten() {
        let (key, _) = row?;
        let key = key.value();
        // The issuer stands behind the type: seen before any order is read.
        let other = |issuer: &[u8]| !behind_texts(key, 2).starts_with(issuer);
        if issuer.as_deref().is_some_and(other) {
            continue;
        }
        if found.rows.len() == limit {
            found.next = Some(last);
            break;
        }
        found.rows.push(carrier(snapshot, key)?);
        last = FindPosition(key.to_vec());
    }
    Ok(found)
}

fn asks_for_own_name(query: &FindQuery) -> bool {
    query.kind.as_deref().is_none_or(|kind| kind == OWN_NAME)
}

fn status(snapshot: &Snapshot, number: u64) -> Result<Option<(String, OrderStatus)>, Failure> {
    let row = snapshot.status.get(number)?.map(|row| status_of(number, row.value())).transpose()?;
    Ok(row.map(|row| (row.correlation_id, row.status)))
}

/// Where an order stands, by its name.
pub(super) fn status_of_name(
    snapshot: &Snapshot,
    correlation_id: &str,
) -> Result<Option<OrderStatus>, Failure> {
    let order = snapshot.order(correlation_id.as_bytes())?;
    let found = order.map(|order| status(snapshot, order.number)).transpose()?.flatten();
    Ok(found.map(|(_, status)| status))
}

/// The order that a key of `references` names.
fn carrier(snapshot: &Snapshot, key: &[u8]) -> Result<FoundOrder, Failure> {
    let number = !number_of(key);
    let (correlation_id, status) = status(snapshot, number)?.ok_or(DamagedRow)?;
    let row = snapshot.carried.get(number)?.ok_or(DamagedRow)?;
    let carried = carried_of(number, row.value())?;
    let same =
        |one: &OrderReference| super::changes::reference_key(number, one).as_deref() == Some(key);
    let reference = carried.into_iter().find(same).ok_or(DamagedRow)?;
    Ok(FoundOrder { reference, correlation_id, status })
}

/// The order of a name, as if it carried its name as a reference.
fn by_own_name(snapshot: &Snapshot, value: &str) -> Result<Option<FoundOrder>, Failure> {
    // A history of the ledger's own has a name, and is no order.
    if is_ledgers_own(value.as_bytes()) {
        return Ok(None);
    }
    let Some(order) = snapshot.order(value.as_bytes())? else {
        return Ok(None);
    };
    let entries = snapshot.entries(order)?;
    let offset = |indexed: Option<&super::Indexed>| indexed.map_or(0, |one| one.place.offset);
    let (correlation_id, status) = status(snapshot, order.number)?.ok_or(DamagedRow)?;
    let reference = OrderReference {
        reference: Some(Reference {
            r#type: OWN_NAME.to_owned(),
            value: value.to_owned(),
            ..Reference::default()
        }),
        first_offset: offset(entries.first()),
        last_offset: offset(entries.last()),
        first_at: status.first_occurred_ns.map(timestamp),
        last_at: status.last_occurred_ns.map(timestamp),
    };
    Ok(Some(FoundOrder { reference, correlation_id, status }))
}

/// Every source, sorted, and the offset up to which that is known.
pub(super) fn sources(snapshot: &Snapshot) -> Result<(Vec<SourceWatermark>, u64), Failure> {
    let mut found = Vec::new();
    for row in snapshot.sources.iter()? {
        let (key, value) = row?;
        let row: SourceRow = decode_row(key.value(), value.value())?;
        found.push(SourceWatermark {
            source: String::from_utf8_lossy(key.value()).into_owned(),
            event_count: row.event_count,
            occurred_at_ns: row.occurred_at_ns,
            recorded_at_ns: row.recorded_at_ns,
            offset: row.offset,
        });
    }
    Ok((found, snapshot.basis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FileSystem;
    use crate::view::key::numbered;
    use crate::view::tables::{Checkpoint, REFERENCES, Tables};

    #[test]
    fn orders_of_another_issuer_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("views.redb");
        let tables =
            Tables::create(&FileSystem, &path, (b"{}", &Checkpoint::empty([0; 16]))).unwrap();
        // Keys alone: whoever reads the orders that they name finds none.
        let write = tables.write(|transaction| {
            let mut table = transaction.open_table(REFERENCES)?;
            for (number, issuer) in ["erp", "erp:1", "a-erp", "erp\0"].into_iter().enumerate() {
                let number = u64::try_from(number).unwrap();
                table.insert(&*numbered(texts(&["4711", "po", issuer]), !number), ())?;
            }
            Ok(())
        });
        write.unwrap();
        let find = |issuer: &str| {
            let (value, issuer) = ("4711".to_owned(), Some(issuer.to_owned()));
            let query = FindQuery { value, issuer, limit: 10, ..FindQuery::default() };
            tables.read(|snapshot| find(snapshot, &query))
        };
        for other in ["wms", "er", "p", "1", ""] {
            assert_eq!(find(other).unwrap().rows, [], "{other}");
        }
        for known in ["erp", "erp:1", "a-erp", "erp\0"] {
            assert!(find(known).is_err(), "{known}: the order is looked for");
        }
    }
}
