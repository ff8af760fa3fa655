//! The distributor's world: the systems that tell things, and the warehouses. All are invented.
//! Does not know orders.

use super::clock::{MINUTE, SECOND};

/// A system that tells what happens, and how well it does so.
#[derive(Debug)]
pub(super) struct System {
    /// Its name as the source of events.
    pub(super) name: &'static str,
    /// What its numbers for events begin with.
    pub(super) prefix: &'static str,
    /// The list of its status codes.
    pub(super) code_set: &'static str,
    /// The smallest step of its clock.
    pub(super) tick: i64,
    /// From when something happens to when it is heard of, at most, unless it straggles.
    pub(super) delay: i64,
    pub(super) utc_offset_minutes: i32,
    /// Types of events that it does not send.
    pub(super) silent_about: &'static [&'static str],
}

pub(super) const SYSTEM: System = System {
    name: "",
    prefix: "",
    code_set: "",
    tick: SECOND,
    delay: 10 * SECOND,
    utc_offset_minutes: 0,
    silent_about: &[],
};

/// Something that the shop's customers order through, or that messages pass.
pub(super) static WEBSHOP: System =
    System { name: "channel:webshop", prefix: "web", code_set: "shop:order", ..SYSTEM };
pub(super) static GATEWAY: System =
    System { name: "edi:gateway", prefix: "gw", code_set: "x12:envelope", ..SYSTEM };

/// A company of the distributor with its own ERP client.
#[derive(Debug)]
pub(super) struct Erp {
    pub(super) system: System,
    /// Issuer of order numbers; what correlation ids begin with.
    pub(super) issuer: &'static str,
    pub(super) currency: &'static str,
    /// Whether invoices may go out before the goods.
    pub(super) invoices_in_advance: bool,
}

/// Invoices what has been shipped.
static SAP_100: Erp = Erp {
    system: System {
        name: "erp:sap-prd-100",
        prefix: "E100",
        code_set: "sap:vbfa",
        utc_offset_minutes: -360,
        ..SYSTEM
    },
    issuer: "erp-100",
    currency: "USD",
    invoices_in_advance: false,
};

/// May invoice what is not shipped yet.
static SAP_200: Erp = Erp {
    system: System {
        name: "erp:sap-prd-200",
        prefix: "E200",
        utc_offset_minutes: 60,
        silent_about: &["goods_issue.posted"],
        code_set: "sap:vbfa",
        ..SYSTEM
    },
    issuer: "erp-200",
    currency: "EUR",
    invoices_in_advance: true,
};

/// A place that orders are shipped from.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) code: &'static str,
    pub(super) system: System,
    /// GS1 global location number.
    pub(super) gln: &'static str,
    /// The company that it ships for.
    pub(super) erp: &'static Erp,
    /// Whether it is a partner's, which speaks EDI and knows its shipments by date only.
    pub(super) third_party: bool,
}

/// Three warehouses of the distributor's own and one third-party logistics partner. The newer the
/// warehouse, the more of its work it tells.
pub(super) static SITES: [Site; 4] = [
    Site {
        code: "dc1",
        system: System {
            name: "wms:dc1",
            prefix: "dc1",
            code_set: "wms:task",
            tick: 1_000,
            utc_offset_minutes: -360,
            silent_about: &["carton.closed", "manifest.closed"],
            ..SYSTEM
        },
        gln: "4000001000014",
        erp: &SAP_100,
        third_party: false,
    },
    Site {
        code: "dc2",
        system: System {
            name: "wms:dc2",
            prefix: "dc2",
            code_set: "wms:status",
            tick: SECOND,
            utc_offset_minutes: -420,
            silent_about: &[
                "allocation.made",
                "allocation.reversed",
                "wave.released",
                "staged",
                "carton.closed",
                "dispatch.proofed",
            ],
            ..SYSTEM
        },
        gln: "4000001000021",
        erp: &SAP_100,
        third_party: false,
    },
    Site {
        code: "dc3",
        system: System {
            name: "wms:dc3",
            prefix: "dc3",
            code_set: "wms:status",
            tick: MINUTE,
            utc_offset_minutes: 60,
            silent_about: &[
                "allocation.made",
                "allocation.reversed",
                "wave.released",
                "staged",
                "label.created",
                "label.voided",
                "dispatch.proofed",
            ],
            ..SYSTEM
        },
        gln: "4000001000038",
        erp: &SAP_200,
        third_party: false,
    },
    Site {
        code: "pp-west",
        system: System {
            name: "3pl:parcelpoint",
            prefix: "pp",
            code_set: "x12:945",
            tick: MINUTE,
            delay: 15 * MINUTE,
            utc_offset_minutes: -480,
            silent_about: &[
                "allocation.made",
                "allocation.reversed",
                "wave.released",
                "pick.confirmed",
                "pick.reversed",
                "pack.confirmed",
                "staged",
                "carton.closed",
                "manifest.closed",
                "dispatch.proofed",
                "goods_issue.posted",
                "event.corrected",
            ],
        },
        gln: "4000001000045",
        erp: &SAP_100,
        third_party: true,
    },
];
