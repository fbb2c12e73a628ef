//! The shape of answers.
