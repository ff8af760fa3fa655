//! Returns: the customer sends a line back, and the warehouse says in which state it came.
//! Does not know why it was bought.

use super::clock::{DAY, HOUR, MINUTE};
use super::fact::Fact;
use super::odds;
use super::order::Order;
use super::process::Stage;
use super::world::WEBSHOP;
use crate::proto;

/// Why customers send things back, and what becomes of them.
const REASONS: [(&str, &str, &str); 4] = [
    ("RET.UNWANTED", "CHANGE_MIND", "restock"),
    ("RET.WRONG_ITEM", "WRONG_ITEM", "restock"),
    ("RET.DAMAGED", "DAMAGED", "scrap"),
    ("RET.DEFECTIVE", "DEFECT", "refurbish"),
];

pub(super) fn returns(order: &mut Order) -> Option<Stage> {
    let line = order.lines.iter().find(|line| line.picked > 0)?.clone();
    let back = line.item.step.max(line.picked / 2 / line.item.step * line.item.step);
    let (reason, code, disposition) = *order.random.one_of(&REASONS);
    let rma = order.release_number("RMA");
    let details = proto::ReturnDetails { rma: rma.clone(), ..Default::default() };
    let issuer = order.customer.site.erp.issuer;
    let complete = |fact: Fact, details: proto::ReturnDetails| {
        fact.reference("rma", issuer, &rma)
            .line(&line, back)
            .with(|event| event.return_details = Some(details))
    };
    let initiated = if order.customer.retail {
        order.erp("return.initiated").code("H")
    } else {
        Fact::new(order, &WEBSHOP, "return.initiated").code("returns/request")
    };
    let wanted =
        proto::ReturnDetails { wanted_disposition: disposition.to_owned(), ..details.clone() };
    order.tell(complete(initiated.because(reason, code), wanted));
    order.wait(10 * MINUTE, 8 * HOUR);
    order.tell(complete(order.erp("return.authorized").code("T"), details.clone()));
    if order.happens(odds::RETURN_NEVER_COMES) {
        return None;
    }
    order.wait(3 * DAY, 8 * DAY);
    let received = proto::ReturnDetails {
        disposition: disposition.to_owned(),
        condition: if disposition == "restock" { "as_new" } else { "faulty" }.to_owned(),
        ..details
    };
    order.tell(complete(order.warehouse("return.received"), received));
    None
}
