//! `list`: orders by where they stand. Does not know how they are found or sorted.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use prost_types::{Duration, Timestamp};
use serde_json::{Value as Json, json};

use super::as_of::parse_time;
use super::failure::Failure;
use super::grid::{Grid, column};
use super::output::{Output, duration_text, json_of, seconds_text, width};
use super::target::Target;
use crate::proto::{self, DimensionStatus, OrderStatus, StageAge, StatusDimension};
use crate::time::now_ns;

/// Rows of the largest page.
const PAGE_ROWS_MAX: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    filter: FilterArguments,
    /// In which order
    #[arg(long, value_enum, default_value = "updated")]
    sort: Sort,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    limit: Limit,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Which orders are wanted. All that is said must hold; of several values of a flag any may.
#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    /// Words of the commercial status, such as `released,invoiced`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    commercial: Vec<String>,
    /// Words of the fulfillment status, such as `picking,partially_shipped`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    fulfillment: Vec<String>,
    /// Words of the shipment status, such as `in_transit`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    shipment: Vec<String>,
    /// Words of the exception status: clear, watch, blocked, failed
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    exception: Vec<String>,
    /// Words of the return status, such as `initiated`
    #[arg(long = "return", value_name = "WORDS", value_delimiter = ',')]
    return_status: Vec<String>,
    /// With a hold or an exception open for this reason code, such as `INV.SHORT`
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    reason: Vec<String>,
    /// With a hold or an exception open
    #[arg(long, conflicts_with = "no_open")]
    open: bool,
    /// With nothing open
    #[arg(long)]
    no_open: bool,
    /// With an event at this warehouse
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    warehouse: Vec<String>,
    /// With an event of this source
    #[arg(long, value_name = "SOURCES", value_delimiter = ',')]
    source: Vec<String>,
    /// With an event that the ledger took at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    updated_since: Option<Timestamp>,
    /// That have stood still for so long on one side, such as `fulfillment=2d`: s, m, h or d
    #[arg(long, value_name = "SIDE=AGE", value_parser = parse_stage_age)]
    stage_age: Option<StageAge>,
    /// With something found by this rule, such as `R04`
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    rule: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// The one that changed last first
    Updated,
    /// The one that the ledger saw first first
    FirstSeen,
    /// The one that has stood still longest first, on the side of --stage-age or of fulfillment
    StageAge,
}

/// How many rows are wanted.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Limit {
    /// The largest number of rows; 0: all
    #[arg(long, value_name = "ROWS", default_value_t = 100)]
    limit: usize,
}

impl Limit {
    /// How many rows the next page should have, after so many.
    pub(super) fn page_size(self, have: usize) -> u32 {
        if self.limit == 0 {
            return PAGE_ROWS_MAX;
        }
        u32::try_from(self.limit.saturating_sub(have))
            .map_or(PAGE_ROWS_MAX, |rows| rows.min(PAGE_ROWS_MAX))
    }

    pub(super) fn is_reached(self, have: usize) -> bool {
        self.limit > 0 && have >= self.limit
    }

    /// Says on standard error that there are more rows.
    pub(super) fn say_more(self) {
        eprintln!("there are more than {}; --limit 0 shows all of them", self.limit);
    }
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut client = self.target.connect_existing().await?;
        let sort = match self.sort {
            Sort::Updated => proto::OrderSort::Updated,
            Sort::FirstSeen => proto::OrderSort::FirstSeen,
            Sort::StageAge => proto::OrderSort::StageAge,
        };
        let mut request = proto::ListOrdersRequest {
            filter: Some(self.filter.message()),
            sort: sort.into(),
            reverse: self.reverse,
            ..Default::default()
        };
        let mut orders: Vec<OrderStatus> = Vec::new();
        let (basis, more) = loop {
            request.page_size = self.limit.page_size(orders.len());
            let page = client.list_orders(request.clone()).await?.into_inner();
            orders.extend(page.orders);
            let more = !page.next_page_token.is_empty();
            if !more || self.limit.is_reached(orders.len()) {
                break (page.basis, more);
            }
            request.page_token = page.next_page_token;
        };
        self.print(&orders, (basis, more))?;
        if more {
            self.limit.say_more();
        }
        Ok(())
    }

    /// The side whose age is of interest, and whether orders are chosen or sorted by it.
    fn side(&self) -> (StatusDimension, bool) {
        let named = self.filter.stage_age.map(|age| age.dimension());
        let aged = named.is_some() || matches!(self.sort, Sort::StageAge);
        (named.unwrap_or(StatusDimension::Fulfillment), aged)
    }

    fn print(&self, orders: &[OrderStatus], (basis, more): (u64, bool)) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut rows = orders.iter().map(|order| json_of("OrderStatus", order));
        match self.output {
            Output::Table => {
                let (side, aged) = self.side();
                let now = aged.then(|| i64::try_from(now_ns() / 1_000_000_000).unwrap_or(0));
                grid_of(orders, side, now).write(&mut out, width())
            }
            Output::Json => {
                let rows: Vec<Json> = rows.collect();
                writeln!(out, "{}", json!({ "basis": basis, "orders": rows, "more": more }))
            }
            Output::Ndjson => rows.try_for_each(|row| writeln!(out, "{row}")),
        }
    }
}

impl FilterArguments {
    pub(super) fn message(&self) -> proto::OrderFilter {
        proto::OrderFilter {
            commercial: self.commercial.clone(),
            fulfillment: self.fulfillment.clone(),
            shipment: self.shipment.clone(),
            exception: self.exception.clone(),
            return_status: self.return_status.clone(),
            open_reasons: self.reason.clone(),
            has_open_exception: (self.open || self.no_open).then_some(self.open),
            warehouses: self.warehouse.clone(),
            sources: self.source.clone(),
            updated_since: self.updated_since,
            stage_age: self.stage_age,
            anomaly_rules: self.rule.clone(),
        }
    }
}

/// Orders with the time since which they have stood still on one side, and how long that is at a
/// time in seconds of the Unix epoch.
fn grid_of(orders: &[OrderStatus], side: StatusDimension, now: Option<i64>) -> Grid {
    let mut grid = Grid::new([
        column("ORDER").wrap(),
        column("COMMERCIAL").wrap(),
        column("FULFILLMENT").wrap(),
        column("SHIPMENT").wrap(),
        column("EXCEPTION"),
        column("RETURN").optional().spare(),
        column("OPEN").optional().wrap(),
        column("AGE").optional(),
        column("SINCE").optional().spare(),
        column("RULES").optional().spare(),
        column("UPDATED").spare(),
    ]);
    for order in orders {
        let returned = word(order.return_status.as_ref());
        let since = side_of(order, side).and_then(|side| side.since);
        let age = now.zip(since).and_then(|(now, since)| u64::try_from(now - since.seconds).ok());
        let age = age.map(|seconds| duration_text(seconds.saturating_mul(1_000_000_000)));
        grid.row([
            order.correlation_id.clone(),
            word(order.commercial.as_ref()),
            word(order.fulfillment.as_ref()),
            word(order.shipment.as_ref()),
            word(order.exception.as_ref()),
            if returned == "none" { String::new() } else { returned },
            open_text(order),
            age.unwrap_or_default(),
            seconds_text(since.as_ref()),
            order.anomaly_rules.join(", "),
            seconds_text(order.updated_at.as_ref()),
        ]);
    }
    grid
}

/// How much is open, and why: `2: INV.SHORT, OTH.UNKNOWN`.
pub(super) fn open_text(order: &OrderStatus) -> String {
    match (order.open_exception_count, order.open_reasons.join(", ")) {
        (0, _) => String::new(),
        (count, reasons) if reasons.is_empty() => count.to_string(),
        (count, reasons) => format!("{count}: {reasons}"),
    }
}

fn side_of(order: &OrderStatus, side: StatusDimension) -> Option<&DimensionStatus> {
    match side {
        StatusDimension::Commercial => order.commercial.as_ref(),
        StatusDimension::Shipment => order.shipment.as_ref(),
        StatusDimension::Exception => order.exception.as_ref(),
        StatusDimension::Return => order.return_status.as_ref(),
        StatusDimension::Fulfillment | StatusDimension::Unspecified => order.fulfillment.as_ref(),
    }
}

/// Where an order stands on one side, in a word.
pub(super) fn word(side: Option<&DimensionStatus>) -> String {
    side.map(|side| side.word.clone()).unwrap_or_default()
}

/// A side of the status and an age, such as `fulfillment=2d`.
fn parse_stage_age(text: &str) -> Result<StageAge, String> {
    let example = "say it as fulfillment=2d";
    let (side, age) = text.split_once('=').ok_or_else(|| example.to_owned())?;
    let name = format!("STATUS_DIMENSION_{}", side.to_uppercase());
    let dimension = StatusDimension::from_str_name(&name)
        .filter(|dimension| *dimension != StatusDimension::Unspecified)
        .ok_or("the side is commercial, fulfillment, shipment, exception or return")?;
    let seconds_of = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (unit, number) = seconds_of
        .iter()
        .find_map(|(unit, seconds)| Some((*seconds, age.strip_suffix(*unit)?)))
        .ok_or_else(|| format!("an age ends with s, m, h or d: {example}"))?;
    let number: u32 = number.parse().map_err(|_| format!("{number:?} is no number: {example}"))?;
    let at_least = Duration { seconds: i64::from(number) * unit, nanos: 0 };
    Ok(StageAge { dimension: dimension.into(), at_least: Some(at_least) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_side_and_a_time() {
        let age = parse_stage_age("fulfillment=2d").unwrap();
        assert_eq!(age.dimension(), StatusDimension::Fulfillment);
        assert_eq!(age.at_least.unwrap().seconds, 172_800);
        assert_eq!(parse_stage_age("return=90m").unwrap().at_least.unwrap().seconds, 5_400);
        for wrong in
            ["2d", "unspecified=2d", "color=2d", "shipment=2", "shipment=-2d", "exception=d"]
        {
            assert!(parse_stage_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_tells_what_is_open_and_how_long_an_order_stood_still() {
        let order = OrderStatus {
            correlation_id: "erp/1".into(),
            fulfillment: Some(DimensionStatus {
                word: "picking".into(),
                since: Some(Timestamp { seconds: 1_774_000_000, nanos: 0 }),
                ..Default::default()
            }),
            open_exception_count: 2,
            open_reasons: vec!["INV.SHORT".into()],
            ..Default::default()
        };
        let text = |side, now| {
            let mut out = Vec::new();
            grid_of(std::slice::from_ref(&order), side, now).write(&mut out, None).unwrap();
            String::from_utf8(out).unwrap()
        };
        let aged = text(StatusDimension::Fulfillment, Some(1_774_000_000 + 2 * 86_400));
        assert!(aged.contains("2: INV.SHORT  2 d 0 h  2026-03-20T"), "{aged}");
        assert!(!text(StatusDimension::Fulfillment, None).contains("AGE"));
        assert!(!text(StatusDimension::Shipment, None).contains("SINCE"));
    }

    #[test]
    fn pages_add_up_to_the_limit() {
        let limit = Limit { limit: 1_500 };
        assert_eq!((limit.page_size(0), limit.page_size(1_000)), (1_000, 500));
        assert!(!limit.is_reached(1_499) && limit.is_reached(1_500));
        let all = Limit { limit: 0 };
        assert!(all.page_size(5_000) == 1_000 && !all.is_reached(usize::MAX));
    }
}
