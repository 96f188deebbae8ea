//! In-process event distribution for market data: pooled, ordered, isolated, never losing an execution report.
