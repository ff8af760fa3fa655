//! Reason codes and how serious they usually are. Does not know why a fact carries one.
//!
//! The codes are those of the reason table of the order model: a family and a word.

use super::severity::Severity;
use crate::event::{Fact, path};
use crate::proto;

/// Codes that are usually errors; other known codes are warnings or information.
const ERRORS: &[&str] = &[
    "INV.SHORT",
    "INV.OOS",
    "INV.DISCONTINUED",
    "INV.UNKNOWN_SKU",
    "INV.LOT_EXPIRED",
    "INV.DAMAGED",
    "ORD.ADDRESS",
    "ORD.DUPLICATE",
    "FIN.CREDIT",
    "FIN.PAYMENT",
    "FIN.FRAUD",
    "CMP.EXPORT",
    "CMP.CUSTOMS_DOCS",
    "CMP.HAZMAT",
    "WHS.QUALITY",
    "WHS.REJECTED",
    "CAR.MISSED_PICKUP",
    "CAR.REFUSED",
    "CAR.ADDRESS",
    "CAR.DAMAGED",
    "CAR.LOST",
    "CAR.RETURNING",
    "INT.CONFLICT",
];

/// Codes that usually ask for nothing.
const INFORMATION: &[&str] = &[
    "INV.SUBSTITUTED",
    "ORD.CUSTOMER_REQUEST",
    "ORD.FUTURE_DATED",
    "CAR.HELD_FOR_PICKUP",
    "INT.TIMEOUT",
    "RET.DAMAGED",
    "RET.WRONG_ITEM",
    "RET.UNWANTED",
    "RET.DEFECTIVE",
];

/// What stands for a reason that nobody gave.
pub(crate) const UNKNOWN: &str = "OTH.UNKNOWN";

/// How serious a reason usually is.
pub(crate) fn usual_severity(code: &str) -> Severity {
    if ERRORS.contains(&code) {
        Severity::Error
    } else if INFORMATION.contains(&code) {
        Severity::Information
    } else {
        Severity::Warning
    }
}

/// The reason that a fact carries; `None` where it gives none.
pub(crate) fn reason_of(fact: &Fact<'_>) -> Option<proto::Reason> {
    fact.has(path::REASON_CODE).then(|| proto::Reason {
        code: fact.text(path::REASON_CODE).to_owned(),
        source_code: fact.text(path::REASON_SOURCE_CODE).to_owned(),
        text: fact.text(path::REASON_TEXT).to_owned(),
        severity: i32::try_from(fact.number(path::REASON_SEVERITY)).unwrap_or_default(),
    })
}

/// The code of a fact's reason, or the one that stands for its kind.
pub(crate) fn code_of<'a>(fact: &Fact<'a>, usual: &'a str) -> &'a str {
    let code = fact.text(path::REASON_CODE);
    if code.is_empty() { usual } else { code }
}

/// A code, or the one that stands for none.
pub(crate) fn known_code(code: &str) -> &str {
    if code.is_empty() { UNKNOWN } else { code }
}

/// Why a hold was placed: what it says, or what its kind stands for. Empty: nobody knows.
pub(crate) fn reason_of_hold<'a>(fact: &Fact<'a>) -> &'a str {
    let usual = match fact.text(path::HOLD_KIND) {
        "credit" => "FIN.CREDIT",
        "payment" => "FIN.PAYMENT",
        "fraud" => "FIN.FRAUD",
        "price" => "FIN.PRICE",
        "address" => "ORD.ADDRESS",
        "duplicate" => "ORD.DUPLICATE",
        "export" => "CMP.EXPORT",
        "customs" => "CMP.CUSTOMS_DOCS",
        "hazmat" => "CMP.HAZMAT",
        "capacity" => "WHS.CAPACITY",
        "quality" => "WHS.QUALITY",
        _ => "",
    };
    code_of(fact, usual)
}
