//! An order on its way: what is known of it beyond what was told, and what is told of it.
//! Does not know the stages of the process.

use super::clock::MINUTE;
use super::customers::Customer;
use super::fact::Fact;
use super::line::Line;
use super::odds;
use super::package::Package;
use super::random::Random;
use super::world::System;
use crate::proto::{self, OrderEvent};

/// An order between two stages of the process.
#[derive(Debug)]
pub(super) struct Order {
    /// Of the demo.
    pub(super) seed: u64,
    /// Counted over the whole demo, from 0.
    number: u64,
    /// How far the order is.
    pub(super) now: i64,
    pub(super) random: Random,
    pub(super) customer: Customer,
    pub(super) lines: Vec<Line>,
    /// Releases to a warehouse so far.
    pub(super) releases: u32,
    /// When the shipment at hand leaves.
    pub(super) departure: i64,
    /// What leaves with it.
    pub(super) packages: Vec<Package>,
    pub(super) invoiced_in_advance: bool,
    /// When the last package so far arrived.
    pub(super) delivered_at: i64,
    events: u32,
    told: Vec<Told>,
}

/// An event, and when the thing happened: `occurred_at` may be less exact.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) at: i64,
    pub(super) system: &'static System,
    pub(super) event: OrderEvent,
}

impl Order {
    pub(super) fn entered(seed: u64, number: u64, now: i64) -> Self {
        let mut random = Random::named(seed, &format!("order {number}"));
        let customer = Customer::drawn(&mut random);
        let large = random.happens(odds::LARGE_ORDER);
        let count = if large { 18 + random.below(18) } else { 1 + random.below(3) };
        let lines = (1..=count).map(|place| Line::drawn(place, &mut random)).collect();
        Self {
            seed,
            number,
            now,
            random,
            customer,
            lines,
            releases: 0,
            departure: now,
            packages: Vec::new(),
            invoiced_in_advance: false,
            delivered_at: now,
            events: 0,
            told: Vec::new(),
        }
    }

    /// The number of the order in its ERP.
    pub(super) fn erp_number(&self) -> String {
        format!("{:010}", 4_500_001 + self.number)
    }

    pub(super) fn correlation_id(&self) -> String {
        format!("{}/{}", self.customer.site.erp.issuer, self.erp_number())
    }

    /// A number of the release at hand, in the series that begins with `prefix`.
    pub(super) fn release_number(&self, prefix: &str) -> String {
        format!("{prefix}{:08}{}", self.number + 1, self.releases)
    }

    /// The number of the invoice for the release at hand.
    pub(super) fn invoice_number(&self) -> String {
        self.release_number("9")
    }

    /// Many lines, which are worked on one by one.
    pub(super) fn is_large(&self) -> bool {
        self.lines.len() > 12
    }

    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.random.happens(per_mille)
    }

    /// Time passes, from `least` to `most`.
    pub(super) fn wait(&mut self, least: i64, most: i64) {
        self.now += self.random.between(least, most);
    }

    /// The system tells the fact, if it tells such things at all. Returns the id of the event.
    pub(super) fn tell(&mut self, fact: Fact) -> String {
        self.events += 1;
        let Fact { system, at, .. } = fact;
        let event_id = format!("{}-{}-{:03}", system.prefix, self.number + 1, self.events);
        let event = fact.into_event(event_id, self.customer.site.erp.currency);
        let event_id = event.event_id.clone();
        if !system.silent_about.contains(&event.r#type.as_str()) {
            self.told.push(Told { at, system, event });
        }
        event_id
    }

    /// What was told so far finds nobody who forwards it.
    pub(super) fn goes_unheard(&mut self) {
        self.told.clear();
    }

    /// What was told since the last call.
    pub(super) fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// What the ERP has to tell now.
    pub(super) fn erp(&self, event_type: &str) -> Fact {
        Fact::new(self, &self.customer.site.erp.system, event_type)
    }

    /// What the warehouse has to tell now.
    pub(super) fn warehouse(&self, event_type: &str) -> Fact {
        let site = self.customer.site;
        Fact::new(self, &site.system, event_type).with(|event| {
            event.location = Some(proto::Location {
                warehouse: site.code.to_owned(),
                gln: site.gln.to_owned(),
                ..proto::Location::default()
            });
        })
    }

    /// What the carrier has to tell of a package.
    pub(super) fn carrier(&self, event_type: &str, package: &Package) -> Fact {
        let carrier = self.customer.carrier;
        Fact::new(self, &carrier.system, event_type)
            .reference("tracking", carrier.code, &package.tracking_number)
            .with(|event| event.package = Some(package.tracked_by(carrier)))
    }

    /// Puts lines into a parcel of their own, or onto the customer's pallet for the departure.
    pub(super) fn pack(&mut self, lines: Vec<usize>) -> Package {
        let customer = &self.customer;
        let (shared, carrier) = (customer.retail, customer.carrier);
        let name = if shared {
            let minute = self.departure / MINUTE;
            format!("{} {} {minute}", customer.site.code, customer.id)
        } else {
            let parcels = self.packages.len();
            format!("{} {parcels}", self.release_number("parcel "))
        };
        let digits = Random::named(self.seed, &name);
        let package = Package::drawn(digits, carrier, shared, lines);
        self.packages.push(package.clone());
        package
    }

    pub(super) fn line(&self, number: usize) -> Option<&Line> {
        self.lines.iter().find(|line| line.number == number)
    }

    pub(super) fn line_mut(&mut self, number: usize) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    /// The lines in a package, with what was picked of them.
    pub(super) fn contents<'o>(&'o self, package: &'o Package) -> impl Iterator<Item = &'o Line> {
        self.lines.iter().filter(|line| package.lines.contains(&line.number))
    }
}
