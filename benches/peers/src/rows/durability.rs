//! stub
use crate::bench::Bench;
pub(crate) async fn measure_all(_bench: &mut Bench) {}
