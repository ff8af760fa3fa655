//! Picking: goods are collected from their bins, and what is not there is backordered, given up or
//! replaced. Does not know waves, nor boxes.

use super::clock::{DAY, MINUTE, planned};
use super::line::{Line, decimal};
use super::odds;
use super::order::Order;
use crate::proto::{self, CorrectionKind};

/// One cart collects from all zones but that of the robots; a large order is picked line by line.
pub(super) fn picked(order: &mut Order, wave: &proto::WaveDetails) {
    let large = order.is_large();
    let mut waiting: Vec<usize> =
        order.lines.iter().filter(|line| line.wanted > 0).map(|line| line.number).collect();
    while let Some(first) = waiting.first().copied() {
        let by_robot = order.line(first).map(Line::picked_by_robot);
        let (task, rest) = waiting.into_iter().partition(|number| {
            let together = order.line(*number).map(Line::picked_by_robot) == by_robot;
            *number == first || together && !large
        });
        waiting = rest;
        pick_task(order, &task, wave);
    }
}

fn pick_task(order: &mut Order, task: &[usize], wave: &proto::WaveDetails) {
    order.wait(2 * MINUTE, 8 * MINUTE);
    for number in task {
        let short = order.happens(odds::PICKED_SHORT);
        let found = order.random.between(0, 700);
        let Some(line) = order.line_mut(*number) else {
            continue;
        };
        let steps = line.wanted / line.item.step;
        line.picked = if short { steps * found / 1_000 * line.item.step } else { line.wanted };
    }
    pick_confirmed(order, task, wave);
    for number in task {
        let Some(line) = order.line(*number).cloned() else {
            continue;
        };
        if line.picked < line.wanted {
            order.wait(MINUTE, 3 * MINUTE);
            picked_short(order, &line);
        }
    }
}

fn pick_confirmed(order: &mut Order, task: &[usize], wave: &proto::WaveDetails) {
    let lines: Vec<Line> = order
        .lines
        .iter()
        .filter(|line| task.contains(&line.number) && line.picked > 0)
        .cloned()
        .collect();
    let Some(first) = lines.first() else { return };
    let pick_task = proto::PickTaskDetails {
        task_id: format!("{}-{}", order.release_number("T"), first.number),
        picker_class: if first.picked_by_robot() { "robot" } else { "person" }.to_owned(),
        ..Default::default()
    };
    let fact = |order: &Order, event_type| {
        order.warehouse(event_type).lines(&lines, |line| line.picked).with(|event| {
            event.pick_task = Some(pick_task.clone());
        })
    };
    let confirmed = |order: &Order, misread: bool| {
        fact(order, "pick.confirmed").code("PICKED").with(|event| {
            event.wave = Some(wave.clone());
            for (told, line) in event.lines.iter_mut().zip(&lines) {
                told.bin = if misread { "X-00-00".to_owned() } else { line.bin() };
                told.lot = line.lot();
            }
        })
    };
    let misread = order.happens(odds::PICK_CORRECTED);
    let event_id = order.tell(confirmed(order, misread));
    if misread {
        order.wait(5 * MINUTE, 30 * MINUTE);
        let corrective = order.tell(confirmed(order, false));
        corrected(order, event_id, corrective);
    } else if order.happens(odds::PICK_REVERSED) {
        order.wait(2 * MINUTE, 20 * MINUTE);
        order.tell(fact(order, "pick.reversed").because("WHS.QUALITY", "RECOUNT"));
        order.wait(2 * MINUTE, 10 * MINUTE);
        order.tell(confirmed(order, false));
    }
}

fn corrected(order: &mut Order, wrong_event_id: String, right_event_id: String) {
    let correction = proto::CorrectionDetails {
        target_event_id: wrong_event_id,
        kind: CorrectionKind::IncorrectData.into(),
        corrective_event_ids: vec![right_event_id],
        actor: "inventory".to_owned(),
        ..Default::default()
    };
    let fact = order.warehouse("event.corrected");
    order.tell(fact.with(|event| event.correction = Some(correction)));
}

/// What becomes of goods that were not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Backordered,
    Closed,
    Substituted,
    Open,
}

impl Rest {
    fn drawn(order: &mut Order, line: &Line) -> Self {
        let draw = order.random.below(1_000);
        let closed = odds::SHORT_IS_BACKORDERED + odds::SHORT_IS_CLOSED;
        if draw < odds::SHORT_IS_BACKORDERED {
            Self::Backordered
        } else if draw < closed {
            Self::Closed
        } else if draw < closed + odds::SHORT_IS_SUBSTITUTED {
            if line.item.substitute.is_some() { Self::Substituted } else { Self::Closed }
        } else {
            Self::Open
        }
    }
}

/// Why goods were not found, and what the warehouses call it.
const SHORT_REASONS: [(&str, &str); 4] =
    [("INV.SHORT", "DS"), ("INV.SHORT", "OR"), ("INV.DAMAGED", "DMG"), ("INV.NOT_PICKABLE", "305")];

fn picked_short(order: &mut Order, line: &Line) {
    let missing = line.wanted - line.picked;
    let rest = Rest::drawn(order, line);
    let (reason, code) = *order.random.one_of(&SHORT_REASONS);
    let backordered_or_not = match rest {
        Rest::Backordered => Some(true),
        Rest::Closed | Rest::Substituted => Some(false),
        Rest::Open => None,
    };
    let short = proto::ShortDetails {
        backorder_triggered: backordered_or_not,
        substitution_eligible: Some(line.item.substitute.is_some()),
        counted_quantity: decimal(line.picked),
        ..Default::default()
    };
    let fact = order.warehouse("pick.shorted").line(line, missing).because(reason, code);
    order.tell(fact.with(|event| {
        event.short = Some(short);
        for told in &mut event.lines {
            told.bin = line.bin();
        }
    }));
    if rest != Rest::Open {
        let freed = order.warehouse("allocation.reversed").line(line, missing);
        order.tell(freed.because(reason, code));
    }
    match rest {
        Rest::Backordered => {
            if let Some(line) = order.line_mut(line.number) {
                line.backordered = missing;
            }
            backordered(order, line, missing, reason);
        }
        Rest::Closed => {
            if let Some(line) = order.line_mut(line.number) {
                line.short_closed = missing;
            }
            let closed = order.erp("line.short_closed").line(line, missing);
            order.tell(closed.because(reason, "CP"));
        }
        Rest::Substituted => substituted(order, line, missing),
        Rest::Open => {}
    }
}

pub(super) fn backordered(order: &mut Order, line: &Line, quantity_milli: i64, reason: &str) {
    let expected_at = Some(planned(order.now + 7 * DAY));
    let fact = order.erp("line.backordered").line(line, quantity_milli).because(reason, "BO");
    let details = proto::BackorderDetails { expected_at, ..Default::default() };
    order.tell(fact.with(|event| event.backorder = Some(details)));
    let taken_back = order.erp("order.release_reversed").line(line, quantity_milli);
    order.tell(taken_back.because(reason, "BO"));
}

fn substituted(order: &mut Order, line: &Line, missing: i64) {
    let Some(item) = line.item.substitute else {
        return;
    };
    let mut instead = Line::of(line.number + 1, item, 0);
    instead.picked = missing;
    let substitution = proto::SubstitutionDetails {
        from_line_id: line.id(),
        from_sku: line.item.sku.to_owned(),
        from_quantity: decimal(missing),
        to_line_id: instead.id(),
        to_sku: item.sku.to_owned(),
        to_quantity: decimal(missing),
        ratio: "1".to_owned(),
        approved_by: "customer".to_owned(),
    };
    let fact = order.warehouse("line.substituted").because("INV.SUBSTITUTED", "IS");
    order.tell(fact.with(|event| event.substitution = Some(substitution)));
    order.wait(3 * MINUTE, 10 * MINUTE);
    order.tell(order.warehouse("pick.confirmed").code("PICKED").line(&instead, missing));
    order.lines.push(instead);
}
