//! The comparison of the views with the log. Does not know how the log is read.

use super::digest::Digest;
use super::{Run, Walked};
use crate::event::Event;
use crate::ledger::Progress;
use crate::log::{Hash, Point};
use crate::num::u64_from;
use crate::time::{rfc3339, signed, timestamp};
use crate::view::{Mark, Tally, ViewError, Views, event_key};

impl<E, P: FnMut(Progress)> Run<E, P> {
    /// Compares the views with what was walked of the log.
    pub(super) fn views(&mut self, mut views: Views, history_count: u64) {
        if let Some(offset) = self.marks.keys().next() {
            let count = self.marks.len();
            self.defect(format!("views.redb: {count} marks, from offset {offset}, mark no entry"));
        }
        if let Err(error) = views.check_pages() {
            return self.defect(format!("views.redb: {error}"));
        }
        let in_views = self.orders.values().filter(|walked| walked.in_views > 0).count();
        if u64_from(in_views) != history_count {
            let what =
                format!("views.redb: {history_count} histories, where the log has {in_views}");
            self.defect(what);
        }
        let (what, total) = ("orders in the views", u64_from(self.orders.len()));
        let (mut defects, mut tally) = (Vec::new(), Tally::default());
        for (index, (order, walked)) in self.orders.iter().enumerate() {
            if index.is_multiple_of(1024) {
                (self.progress)(Progress { what, done: u64_from(index), total });
            }
            let name = String::from_utf8_lossy(&walked.correlation_id).into_owned();
            match check_order(&views, order, walked) {
                Ok(None) if walked.in_views == 0 => {}
                Ok(None) => match views.differences(&name, &mut tally) {
                    Ok(found) if found.is_empty() => {}
                    Ok(found) => {
                        let found = found.join(", ");
                        defects.push(format!("views.redb: order {name}: {found}"));
                    }
                    Err(error) => defects.push(format!("views.redb: order {name}: {error}")),
                },
                Ok(Some(what)) => defects.push(format!("views.redb: order {name}: {what}")),
                Err(error) => defects.push(format!("views.redb: order {name}: {error}")),
            }
        }
        if defects.is_empty() {
            match views.tally_differences(&tally) {
                Ok(found) => defects.extend(found.iter().map(|one| format!("views.redb: {one}"))),
                Err(error) => defects.push(format!("views.redb: {error}")),
            }
        }
        for defect in defects {
            self.defect(defect);
        }
    }
}

/// What the views say otherwise of the entries of an order: as many as the log, each at its place.
fn check_order(views: &Views, order: &Hash, walked: &Walked) -> Result<Option<String>, ViewError> {
    let indexed = views.order(order, &walked.correlation_id, u64::MAX)?;
    let (is, should) = (indexed.len(), walked.in_views);
    if u64_from(is) != should {
        return Ok(Some(format!("has {is} entries, should have {should}")));
    }
    let places: Vec<Point> = indexed.iter().map(|indexed| indexed.place).collect();
    let mut rows = indexed.iter();
    let mut defect = None;
    views.log().entries(&places, |entry| {
        let event = Event::stored(entry.body.to_vec().into());
        let found = (entry.revision, event_key(event.source(), event.event_id()));
        let row = rows.next().map(|indexed| (indexed.revision, indexed.key));
        let same = entry.correlation_id == &*walked.correlation_id && row == Some(found);
        if !same && defect.is_none() {
            let revision = row.map_or(0, |(revision, _)| revision);
            let (offset, order) = (entry.offset, String::from_utf8_lossy(entry.correlation_id));
            defect = Some(format!(
                "has offset {offset} as revision {revision}, where revision {} of {order} stands",
                entry.revision
            ));
        }
    })?;
    Ok(defect)
}

/// What is wrong with the mark of an entry's offset.
pub(super) fn mark_defect(mark: &Mark, entry: &Digest) -> Option<String> {
    let offset = entry.offset;
    let at = |position: u32, recorded_at: u64| {
        let time = rfc3339(&timestamp(signed(recorded_at)), None);
        format!("position {position}, recorded at {time}")
    };
    let is = at(mark.point.position, mark.recorded_at);
    let should = at(entry.block_position, entry.recorded_at);
    if !entry.begins_block {
        return Some(format!("the mark of offset {offset} is {is}, where no block begins"));
    }
    (is != should).then(|| format!("the mark of offset {offset} is {is}, should be {should}"))
}
