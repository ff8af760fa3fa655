//! Carrier: the way of every package, from the dock to whoever signs for it.
//! Does not know what is in a package, nor who pays.

use super::clock::{DAY, HOUR, MINUTE, next_at, planned};
use super::fact::Fact;
use super::odds;
use super::order::Order;
use super::package::Package;
use super::process::Stage;
use super::random::Random;
use crate::proto::{self, CorrectionKind, DeliveryDetails};

/// Tours to customers start in the morning, in minutes of the day.
const TOURS: [i64; 1] = [480];

pub(super) fn carrier(order: &mut Order) -> Stage {
    for package in order.packages.clone() {
        let delivered_at = Journey::of(order, &package).run();
        order.delivered_at = order.delivered_at.max(delivered_at);
    }
    order.wait(90 * MINUTE, 20 * HOUR);
    Stage::Billing
}

/// The way of one package. It follows from the package alone: a pallet with goods of several orders
/// goes the same way for all of them.
struct Journey<'o> {
    order: &'o mut Order,
    package: &'o Package,
    random: Random,
    at: i64,
    scans: u32,
}

impl<'o> Journey<'o> {
    fn of(order: &'o mut Order, package: &'o Package) -> Self {
        let random = Random::named(order.seed, &package.tracking_number);
        let at = order.departure;
        Self { order, package, random, at, scans: 0 }
    }

    /// Returns when the package arrived, or was given up.
    fn run(mut self) -> i64 {
        self.wait(MINUTE, 25 * MINUTE);
        self.scan("carrier.picked_up", "AF", |fact| fact);
        self.under_way();
        self.at = next_at(self.at, self.order.customer.utc_offset_minutes, &TOURS);
        if self.random.happens(odds::LOST) {
            self.scan("shipment.lost", "LOST", |fact| fact.because("CAR.LOST", "LOST"));
            return self.at;
        }
        self.wait(0, HOUR);
        self.scan("out_for_delivery", "AJ", |fact| fact);
        let mut attempts = 1;
        while attempts < 4 && self.random.happens(odds::ATTEMPT_FAILED) {
            self.nobody_there(attempts);
            attempts += 1;
        }
        if self.random.happens(odds::REPORTED_DELIVERED_BY_MISTAKE) {
            self.delivered_by_mistake();
        }
        self.wait(HOUR, 8 * HOUR);
        self.delivered(attempts);
        self.at
    }

    fn wait(&mut self, least: i64, most: i64) {
        self.at += self.random.between(least, most);
    }

    /// `code` is that of X12 element 1650.
    fn scan(
        &mut self,
        event_type: &str,
        code: &str,
        complete: impl FnOnce(Fact) -> Fact,
    ) -> String {
        self.scans += 1;
        let number = format!("{}-{:02}", self.package.tracking_number, self.scans);
        let customer = &self.order.customer;
        let offset = if event_type == "carrier.picked_up" {
            customer.site.system.utc_offset_minutes
        } else {
            customer.utc_offset_minutes
        };
        let fact = self
            .order
            .carrier(event_type, self.package)
            .at(self.at)
            .local(offset)
            .code(customer.carrier.word_for(event_type, code));
        let fact = if self.package.shared { fact.shared(number) } else { fact.numbered(number) };
        self.order.tell(complete(fact))
    }

    fn under_way(&mut self) {
        let transit = self.order.customer.transit;
        let route = self.order.customer.route + 1;
        let place = |name: String| {
            move |fact: Fact| {
                fact.with(|event| {
                    event.location = Some(proto::Location { place: name, ..Default::default() });
                })
            }
        };
        self.wait(2 * HOUR, 6 * HOUR);
        self.scan("transit.scanned", "X4", place(format!("HUB-{}", route % 3 + 1)));
        if self.random.happens(odds::DELAYED) {
            self.delayed(transit);
        }
        self.wait(transit / 2, transit);
        if transit > DAY + DAY / 2 {
            self.scan("transit.scanned", "X4", place(format!("DEPOT-{route}")));
        }
    }

    fn delayed(&mut self, transit: i64) {
        let reasons = [("CAR.DELAY_WEATHER", "AO"), ("CAR.DELAY_CARRIER", "AI")];
        let (reason, code) = *self.random.one_of(&reasons);
        self.wait(HOUR, 5 * HOUR);
        let exception = proto::ExceptionDetails {
            exception_id: format!("{}-delay", self.package.tracking_number),
            scope: "package".to_owned(),
            ..Default::default()
        };
        let resolved =
            proto::ExceptionDetails { resolution: "moved_on".to_owned(), ..exception.clone() };
        self.scan("exception.raised", "SD", |fact| {
            fact.because(reason, code).with(|event| event.exception = Some(exception))
        });
        let (before, after) = (self.at + transit, self.at + transit + DAY);
        let eta = proto::EtaDetails {
            expected_at: Some(planned(after)),
            previous_expected_at: Some(planned(before)),
            ..Default::default()
        };
        self.scan("eta.updated", "AG", |fact| fact.with(|event| event.eta = Some(eta)));
        self.wait(12 * HOUR, 30 * HOUR);
        self.scan("exception.resolved", "X6", |fact| {
            fact.with(|event| event.exception = Some(resolved))
        });
    }

    fn nobody_there(&mut self, attempt_number: u32) {
        self.wait(HOUR, 7 * HOUR);
        let next = next_at(self.at + HOUR, self.order.customer.utc_offset_minutes, &TOURS);
        let delivery = DeliveryDetails {
            attempt_number,
            next_attempt_at: Some(planned(next)),
            ..Default::default()
        };
        self.scan("delivery.attempt_failed", "AH", |fact| {
            fact.because("CAR.ATTEMPT_FAILED", "AQ").with(|event| event.delivery = Some(delivery))
        });
        self.at = next;
    }

    /// The driver scans the wrong package, and the depot sets it right.
    fn delivered_by_mistake(&mut self) {
        self.wait(HOUR, 6 * HOUR);
        let target_event_id = self.delivered(1);
        self.wait(2 * HOUR, 5 * HOUR);
        let correction = proto::CorrectionDetails {
            target_event_id,
            kind: CorrectionKind::DidNotOccur.into(),
            actor: "depot".to_owned(),
            ..Default::default()
        };
        self.scan("event.corrected", "VOID", |fact| {
            fact.with(|event| event.correction = Some(correction))
        });
        self.at = next_at(self.at, self.order.customer.utc_offset_minutes, &TOURS);
    }

    fn delivered(&mut self, attempt_number: u32) -> String {
        let contents: Vec<_> = self.order.contents(self.package).cloned().collect();
        let details = DeliveryDetails {
            attempt_number,
            signed: Some(self.package.shared),
            proof_id: format!("POD-{}", self.package.tracking_number),
            ..Default::default()
        };
        self.scan("shipment.delivered", "D1", |fact| {
            fact.lines(&contents, |line| line.picked).with(|event| event.delivery = Some(details))
        })
    }
}
