//! What is sold, and what may go in its place. All of it is invented.
//! Does not know how much of it there is.

/// What is sold.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) sku: &'static str,
    /// What goes in its place, if anything may.
    pub(super) substitute: Option<&'static Item>,
    pub(super) zone: &'static str,
    pub(super) unit: &'static str,
    /// What it is sold in multiples of, in thousandths of the unit.
    pub(super) step: i64,
    /// Price of a unit in minor units of the currency.
    pub(super) price_minor: i64,
    pub(super) has_lots: bool,
}

const fn item(sku: &'static str, zone: &'static str, price_minor: i64) -> Item {
    let (unit, step) = ("EA", 1_000);
    Item { sku, substitute: None, zone, unit, step, price_minor, has_lots: false }
}

impl Item {
    const fn or(self, substitute: &'static Self) -> Self {
        Self { substitute: Some(substitute), ..self }
    }

    const fn with_lots(self) -> Self {
        Self { has_lots: true, ..self }
    }

    const fn sold_in(self, unit: &'static str, step: i64) -> Self {
        Self { unit, step, ..self }
    }
}

static BRUSH_42: Item = item("BRUSH-42", "A", 1_320);
static BUCKET_14: Item = item("BUCKET-14", "A", 790);
static FILTER_H14: Item = item("FILTER-H14", "A", 3_990);
static GLUE_290: Item = item("GLUE-290", "B", 540);

pub(super) static ITEMS: [Item; 16] = [
    item("BRUSH-40", "A", 1_250).or(&BRUSH_42),
    item("BRUSH-60", "A", 1_790),
    item("BUCKET-12", "A", 690).or(&BUCKET_14),
    item("CABLE-NYM-3", "C", 215).sold_in("M", 12_500),
    item("CLEANER-5L", "B", 2_340).with_lots(),
    item("DRILL-18V", "D", 15_900),
    item("FILTER-H13", "A", 3_480).or(&FILTER_H14),
    item("GLOVE-L", "A", 420).sold_in("PR", 10_000),
    item("GLUE-310", "B", 560).with_lots().or(&GLUE_290),
    item("LAMP-E27-9W", "A", 480).sold_in("BX", 1_000),
    item("PAINT-WHITE-10", "B", 6_450).with_lots(),
    item("PELLETS", "C", 39).sold_in("KG", 15_500),
    item("PUMP-1100", "D", 18_700),
    item("SCREW-5X60", "A", 1_140).sold_in("CS", 2_000),
    item("SEAL-TAPE-50", "A", 310),
    item("TARP-4X6", "C", 2_990),
];
