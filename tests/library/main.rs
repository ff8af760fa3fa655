//! The library through its public API.
mod append;
mod fault;
mod found;
mod power;
mod random;
mod simulated_disk;
mod support;
mod workload;
