//! Entry: an order is created and accepted, changed, and held until somebody decides.
//! Does not know warehouses.

use super::clock::{DAY, HOUR, MINUTE, planned};
use super::fact::Fact;
use super::line::{Line, decimal};
use super::odds;
use super::order::Order;
use super::process::Stage;
use super::world::WEBSHOP;
use crate::num::u64_from;
use crate::proto::{self, HoldBlock};

pub(super) fn entry(order: &mut Order) -> Option<Stage> {
    created(order);
    order.wait(MINUTE, 15 * MINUTE);
    if order.happens(odds::REJECTED) {
        order.tell(
            order.erp("order.rejected").because("ORD.DUPLICATE", "51").code_of("x12:855", "RJ"),
        );
        return None;
    }
    accepted(order);
    changed(order);
    held(order);
    if order.happens(odds::STARTS_MIDWAY) {
        order.goes_unheard();
    }
    Some(Stage::Release)
}

fn created(order: &mut Order) {
    let trace_id = order.random.trace_id();
    let deliver_by = order.now + order.customer.transit + 4 * DAY;
    let fact = if order.customer.retail {
        let purchase_order = order.release_number("PO-");
        order.erp("order.created").code_of("x12:850", "SA").reference(
            "customer_po",
            &order.customer.id,
            &purchase_order,
        )
    } else {
        let web_order = order.release_number("W");
        Fact::new(order, &WEBSHOP, "order.created")
            .code("orders/create")
            .reference("channel_order", WEBSHOP.name, &web_order)
            .with(|event| event.trace_id = trace_id)
    };
    let fact = fact
        .reference("erp_order", order.customer.site.erp.issuer, &order.erp_number())
        .lines(&order.lines, |line| line.ordered)
        .with(|event| {
            event.party_id.clone_from(&order.customer.id);
            let deliver_by = Some(planned(deliver_by));
            event.requested = Some(proto::RequestedDates { deliver_by, ..Default::default() });
        });
    order.tell(fact);
}

fn accepted(order: &mut Order) {
    let promise = proto::Promise {
        ship_by: Some(planned(order.now + 2 * DAY)),
        deliver_by: Some(planned(order.now + 2 * DAY + order.customer.transit)),
    };
    let kind = "accepted".to_owned();
    let acknowledgement = proto::AcknowledgementDetails { kind, ..Default::default() };
    order.tell(order.erp("order.accepted").code_of("x12:855", "AD").with(|event| {
        event.acknowledgement = Some(acknowledgement);
        event.promised = Some(promise);
    }));
}

fn changed(order: &mut Order) {
    if order.happens(odds::LINE_ADDED) {
        order.wait(5 * MINUTE, HOUR);
        let line = Line::drawn(u64_from(order.lines.len()) + 1, &mut order.random);
        order.tell(order.erp("order.line_added").line(&line, line.ordered));
        order.lines.push(line);
    }
    if order.happens(odds::LINE_CHANGED) {
        order.wait(5 * MINUTE, HOUR);
        let Some(line) = order.lines.first_mut() else {
            return;
        };
        let (old, new) = (line.ordered, line.ordered + line.item.step);
        (line.ordered, line.wanted) = (new, new);
        let line = line.clone();
        let change = proto::ValueChange {
            line_id: line.id(),
            name: "quantity".to_owned(),
            old_value: decimal(old),
            new_value: decimal(new),
        };
        order.tell(order.erp("order.line_changed").line(&line, new - old).with(|event| {
            event.change = Some(proto::ChangeDetails { values: vec![change] });
        }));
    }
}

/// A kind of hold, and what it is called by whoever places it.
#[derive(Clone, Copy, Debug)]
struct Hold {
    kind: &'static str,
    reason: &'static str,
    code: &'static str,
    owner: &'static str,
    blocks: HoldBlock,
}

const RELEASE: HoldBlock = HoldBlock::Release;
const CREDIT: Hold = Hold {
    kind: "credit",
    reason: "FIN.CREDIT",
    code: "CMGST/B",
    owner: "credit",
    blocks: RELEASE,
};
const FRAUD: Hold = Hold {
    kind: "fraud",
    reason: "FIN.FRAUD",
    code: "HIGH_RISK_OF_FRAUD",
    owner: "risk",
    blocks: RELEASE,
};
const ADDRESS: Hold = Hold {
    kind: "address",
    reason: "ORD.ADDRESS",
    code: "INCORRECT_ADDRESS",
    owner: "service",
    blocks: HoldBlock::Ship,
};
const CUSTOMER: Hold = Hold {
    kind: "customer",
    reason: "ORD.CUSTOMER_REQUEST",
    code: "CUSTOMER_WAITS",
    owner: "service",
    blocks: RELEASE,
};

/// Holds are placed, several at times, and released one by one or all at once. A few are released
/// only after the goods have left, and a few are released that nobody placed.
fn held(order: &mut Order) {
    let mut holds = Vec::new();
    if order.customer.retail {
        holds.extend(order.happens(odds::CREDIT_HOLD_OF_RETAIL).then_some(CREDIT));
    } else {
        holds.extend(order.happens(odds::FRAUD_HOLD_OF_WEB).then_some(FRAUD));
        holds.extend(order.happens(odds::ADDRESS_HOLD_OF_WEB).then_some(ADDRESS));
    }
    if !holds.is_empty() && order.happens(odds::ONE_MORE_HOLD) {
        holds.push(CUSTOMER);
    }
    for hold in &holds {
        order.wait(MINUTE, 20 * MINUTE);
        let due_at = Some(planned(order.now + DAY));
        order.tell(telling(order, "hold.placed", *hold).with(|event| {
            if let Some(hold) = &mut event.hold {
                hold.due_at = due_at;
            }
        }));
    }
    if holds.len() > 1 && order.happens(odds::RELEASES_ALL_HOLDS) {
        order.wait(2 * HOUR, 30 * HOUR);
        let all = proto::HoldDetails { all: true, ..Default::default() };
        order.tell(teller(order, "hold.released").with(|event| event.hold = Some(all)));
    } else {
        for hold in holds {
            order.wait(HOUR, 20 * HOUR);
            order.tell(telling(order, "hold.released", hold));
        }
    }
    if order.happens(odds::SILENT_HOLD) {
        order.wait(MINUTE, HOUR);
        order.tell(telling(order, "hold.released", CREDIT));
    }
    if order.happens(odds::SHIPS_WHILE_HELD) {
        order.tell(telling(order, "hold.placed", ADDRESS));
        let decided = order.now + 6 * DAY;
        order.tell(telling(order, "hold.released", ADDRESS).at(decided));
    }
}

fn teller(order: &Order, event_type: &str) -> Fact {
    if order.customer.retail {
        order.erp(event_type)
    } else {
        Fact::new(order, &WEBSHOP, event_type)
    }
}

fn telling(order: &Order, event_type: &str, hold: Hold) -> Fact {
    let details = proto::HoldDetails {
        hold_id: format!("{}-{}", hold.kind, order.erp_number()),
        kind: hold.kind.to_owned(),
        scope: "order".to_owned(),
        blocks: vec![hold.blocks.into()],
        owner: hold.owner.to_owned(),
        ..Default::default()
    };
    teller(order, event_type)
        .because(hold.reason, hold.code)
        .with(|event| event.hold = Some(details))
}
