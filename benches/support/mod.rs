//! What both benchmark programs share: typical events, and the machine's own limit.
//! Does not know what is measured.
#![allow(dead_code, reason = "each program uses its part")]

pub(crate) mod disk;
pub(crate) mod feed;
