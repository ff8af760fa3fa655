//! Returns, by authorization, and requests to cancel, by request. Does not know quantities that
//! were shipped.

use super::facts::{FactIndex, Facts};
use super::fulfillment::Range;
use super::names::Names;
use super::quantity::Quantity;
use super::words::{Dimension, Word};
use crate::event::{Fact, Group, Kind, path};

/// One return.
#[derive(Clone, Debug, Default)]
pub(crate) struct Return<'a> {
    pub(crate) rma: &'a str,
    /// By line: announced and received.
    pub(crate) lines: Vec<(&'a str, Quantity, Quantity)>,
    pub(crate) disposition: &'a str,
    pub(crate) condition: &'a str,
    pub(crate) facts: Vec<FactIndex>,
    announced: bool,
    authorized: bool,
    received: bool,
    /// The last word where nothing more is expected: cancelled or closed.
    end: Option<&'static str>,
    /// The fact that carries the reason.
    pub(crate) reason: Option<FactIndex>,
}

impl Return<'_> {
    /// `cancelled`, or a word of the return dimension.
    pub(crate) fn state(&self) -> &'static str {
        let open = self.lines.iter().any(|(_, announced, received)| received < announced);
        match self {
            Self { end: Some(end), .. } => end,
            Self { received: true, .. } if open => "partially_received",
            Self { received: true, .. } => "received",
            Self { authorized: true, .. } => "authorized",
            _ => "initiated",
        }
    }
}

/// The returns of an order, by authorization.
pub(crate) fn returns_of<'a>(facts: &Facts<'a>) -> Vec<Return<'a>> {
    let mut returns: Vec<Return<'a>> = Vec::new();
    let mut places = Names::default();
    for (index, fact) in facts.counting() {
        if fact.group() != Some(Group::Return) {
            continue;
        }
        let rma = fact.text(path::RMA);
        let (place, new) = places.number(rma);
        if new {
            returns.push(Return { rma, ..Return::default() });
        }
        if let Some(one) = returns.get_mut(place) {
            one.hear((index, fact));
        }
    }
    returns.sort_by_key(|one| one.rma);
    returns
}

impl<'a> Return<'a> {
    fn hear(&mut self, (index, fact): (FactIndex, &Fact<'a>)) {
        self.facts.push(index);
        match fact.kind {
            Kind::RETURN_INITIATED => (self.announced, self.end) = (true, None),
            Kind::RETURN_AUTHORIZED => self.authorized = true,
            Kind::RETURN_RECEIVED => self.received = true,
            Kind::RETURN_CANCELLED => self.end = Some("cancelled"),
            Kind::RETURN_CLOSED => self.end = Some("closed"),
            _ => {}
        }
        for line in fact.lines {
            let quantity = Quantity::of(line.quantity).unwrap_or_default();
            let place = self.lines.iter().position(|(id, ..)| *id == line.line_id);
            let place = place.unwrap_or_else(|| {
                self.lines.push((line.line_id, Quantity::ZERO, Quantity::ZERO));
                self.lines.len() - 1
            });
            match (self.lines.get_mut(place), fact.kind) {
                (Some((_, announced, _)), Kind::RETURN_INITIATED) => *announced += quantity,
                (Some((_, _, received)), Kind::RETURN_RECEIVED) => *received += quantity,
                _ => {}
            }
        }
        let texts =
            [(&mut self.disposition, path::DISPOSITION), (&mut self.condition, path::CONDITION)];
        for (known, path) in texts {
            let said = fact.text(path);
            if !said.is_empty() {
                *known = said;
            }
        }
        if fact.has(path::REASON_CODE) && self.reason.is_none() {
            self.reason = Some(index);
        }
    }
}

/// The return side of an order.
pub(crate) fn range_of(returns: &[Return<'_>]) -> Range {
    let word = |text: &str| Dimension::Return.word(text).unwrap_or(Word(0));
    let live = returns.iter().map(Return::state).filter(|state| *state != "cancelled");
    let words: Vec<Word> = live.map(word).collect();
    let (Some(low), Some(high)) = (words.iter().min(), words.iter().max()) else {
        return Range::at(Word(0));
    };
    let received = [word("received"), word("closed")];
    let both = received.contains(high) && !received.contains(low);
    // Goods of one return came back and those of another did not.
    let shown = if both { word("partially_received") } else { *high };
    let shown = if low == high || both { shown } else { (*low).max(word("initiated")) };
    Range { low: *low, high: *high, word: shown }
}

/// A request to cancel.
#[derive(Clone, Debug)]
pub(crate) struct CancelRequest<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) state: &'static str,
    pub(crate) requested_by: &'a str,
    pub(crate) reason: Option<FactIndex>,
    /// The answer, where it gives a reason of its own.
    pub(crate) answer: Option<FactIndex>,
    pub(crate) facts: Vec<FactIndex>,
}

/// The requests to cancel, and what became of them. An answer that names no request is about all
/// that are undecided.
pub(crate) fn cancel_requests_of<'a>(facts: &Facts<'a>) -> Vec<CancelRequest<'a>> {
    let mut requests: Vec<CancelRequest<'a>> = Vec::new();
    let mut places = Names::default();
    let mut undecided: Vec<usize> = Vec::new();
    for (index, fact) in facts.counting() {
        let state = match fact.kind {
            Kind::ORDER_CANCEL_REQUESTED => "requested",
            Kind::ORDER_CANCEL_REJECTED => "rejected",
            Kind::ORDER_CANCELLED | Kind::ORDER_LINE_CANCELLED => "cancelled",
            _ => continue,
        };
        let request_id = fact.text(path::CANCEL_REQUEST_ID);
        let answers = state != "requested";
        let reason = fact.has(path::REASON_CODE).then_some(index);
        let mut meant: Vec<usize> = places.find(request_id).into_iter().collect();
        if answers && request_id.is_empty() {
            let is_open =
                |place: &usize| requests.get(*place).is_some_and(|one| one.state == "requested");
            meant.extend(undecided.drain(..).filter(is_open));
            meant.sort_unstable();
            meant.dedup();
        }
        for place in &meant {
            if let Some(request) = requests.get_mut(*place) {
                request.hear((index, state), reason);
            }
        }
        if meant.is_empty() && (!answers || state == "rejected" || !request_id.is_empty()) {
            let (place, _) = places.number(request_id);
            meant.push(place);
            requests.push(CancelRequest {
                request_id,
                state,
                requested_by: fact.text(path::CANCEL_REQUESTED_BY),
                reason: reason.filter(|_| !answers),
                answer: reason.filter(|_| answers),
                facts: vec![index],
            });
        }
        if !answers {
            undecided.extend(meant);
        }
    }
    requests
}

impl CancelRequest<'_> {
    fn hear(&mut self, (index, state): (FactIndex, &'static str), reason: Option<FactIndex>) {
        self.state = state;
        self.facts.push(index);
        if state == "requested" {
            self.reason = self.reason.or(reason);
        } else {
            self.answer = reason;
        }
    }
}
