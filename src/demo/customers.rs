//! Who orders, and the carriers who bring the goods there. All are invented.
//! Does not know what is ordered.

use super::clock::{DAY, HOUR, MINUTE};
use super::odds;
use super::random::Random;
use super::world::{SITES, SYSTEM, Site, System};

/// Who brings the goods.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) code: &'static str,
    pub(super) system: System,
    pub(super) service: &'static str,
    /// What its tracking numbers begin with.
    pub(super) mark: &'static str,
}

impl Carrier {
    /// What the carrier calls an event: the EDI code where it speaks EDI, else a word.
    pub(super) fn word_for<'w>(&self, event_type: &'w str, edi_code: &'w str) -> &'w str {
        let word = event_type.rsplit('.').next().unwrap_or(event_type);
        if self.system.code_set == "x12:214" { edi_code } else { word }
    }
}

/// Who brings parcels to customers of the webshop.
static PARCEL_CARRIERS: [Carrier; 2] = [
    Carrier {
        code: "northway",
        system: System { delay: 12 * MINUTE, ..NORTHWAY },
        service: "ground",
        mark: "NW",
    },
    Carrier {
        code: "swiftline",
        system: System {
            name: "carrier:swiftline",
            prefix: "sl",
            code_set: "carrier:webhook",
            delay: 2 * MINUTE,
            silent_about: &["carrier.picked_up", "transit.scanned", "eta.updated"],
            ..SYSTEM
        },
        service: "next_day",
        mark: "SL",
    },
];

/// Who brings pallets to retailers.
static FREIGHT_CARRIERS: [Carrier; 2] = [
    Carrier {
        code: "northway",
        system: System { silent_about: &["out_for_delivery"], ..NORTHWAY },
        service: "freight",
        mark: "NF",
    },
    Carrier {
        code: "overland",
        system: System {
            name: "carrier:overland",
            prefix: "ov",
            code_set: "x12:214",
            tick: MINUTE,
            delay: 25 * MINUTE,
            silent_about: &["transit.scanned", "out_for_delivery"],
            ..SYSTEM
        },
        service: "ltl",
        mark: "OV",
    },
];

const NORTHWAY: System = System {
    name: "carrier:northway",
    prefix: "nw",
    code_set: "x12:214",
    delay: 20 * MINUTE,
    ..SYSTEM
};

/// Who orders.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    pub(super) id: String,
    /// Retailers order by EDI and get pallets; the others order in the webshop and get parcels.
    pub(super) retail: bool,
    /// The site that usually serves the customer.
    pub(super) site: &'static Site,
    pub(super) carrier: &'static Carrier,
    /// The tour that serves the customer from there.
    pub(super) route: u64,
    pub(super) utc_offset_minutes: i32,
    /// How long goods are on their way there.
    pub(super) transit: i64,
}

const RETAILERS: u64 = 180;
const ROUTES: u64 = 5;

impl Customer {
    pub(super) fn drawn(random: &mut Random) -> Self {
        let retail = random.happens(odds::RETAIL);
        let number = if retail { random.below(RETAILERS) } else { 10_000 + random.below(90_000) };
        let mut of_customer = Random::named(number, "customer");
        let by_partner = !retail && of_customer.happens(odds::SERVED_BY_PARTNER);
        let sites: Vec<_> = SITES.iter().filter(|site| site.third_party == by_partner).collect();
        let site = *of_customer.one_of(&sites);
        let carriers = if retail { &FREIGHT_CARRIERS } else { &PARCEL_CARRIERS };
        let carrier = of_customer.one_of(carriers);
        let route = of_customer.below(ROUTES);
        let further_east = if route < 2 { 0 } else { 60 };
        Self {
            id: format!("C-{:06}", 100_000 + number),
            retail,
            site,
            carrier,
            route,
            utc_offset_minutes: site.system.utc_offset_minutes + further_east,
            transit: DAY / 2 + i64::try_from(route).unwrap_or_default() * 9 * HOUR,
        }
    }
}
