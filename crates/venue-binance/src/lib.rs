//! Binance spot market data decoded straight into pooled events, with verified books.
