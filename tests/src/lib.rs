//! Whole-system tests.

pub mod story;
