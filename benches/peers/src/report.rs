//! stub
use crate::figures::Figures;
use std::path::Path;
pub(crate) fn write(_figures: &Figures, _out: &Path) -> Result<(), String> {
    Ok(())
}
