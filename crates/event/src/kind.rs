use crate::named::named;

named! {
    /// What a message reports.
    pub enum EventKind as "event kind" {
        /// One trade.
        Trade = "trade",
        /// A rolling statistic of the day: last, open, high, low, volume.
        Ticker = "ticker",
        /// The best bid and ask.
        TopOfBook = "top_of_book",
        /// A whole book.
        BookSnapshot = "book_snapshot",
        /// The levels of a book that changed.
        BookDelta = "book_delta",
        /// Several venues' partial views, merged over a window.
        Merged = "merged",
        /// Several venues' books, summed level by level over a window.
        MergedBook = "merged_book",
        /// What became of an order.
        ExecReport = "exec_report",
        /// A command was received.
        ControlAck = "control_ack",
        /// A command is in force, or was refused.
        ControlResult = "control_result",
    }
}

impl EventKind {
    /// Whether a message of this kind must reach every interested consumer whatever the pressure
    /// and the routing state: execution reports and control events.
    #[inline]
    pub const fn is_critical(self) -> bool {
        matches!(self, Self::ExecReport | Self::ControlAck | Self::ControlResult)
    }

    /// What a consumer subscribes to in order to get this kind.
    #[inline]
    pub const fn topic(self) -> Topic {
        match self {
            Self::Trade => Topic::Trades,
            Self::Ticker => Topic::Ticker,
            Self::TopOfBook => Topic::TopOfBook,
            Self::BookSnapshot | Self::BookDelta => Topic::Book,
            Self::Merged => Topic::Merged,
            Self::MergedBook => Topic::MergedBook,
            Self::ExecReport => Topic::Executions,
            Self::ControlAck | Self::ControlResult => Topic::Control,
        }
    }
}

named! {
    /// What can be subscribed to. Kinds that only make sense together share a topic, and so a
    /// stream and its order: a book's snapshots and deltas, a command's acknowledgement and result.
    pub enum Topic as "topic" {
        /// Trades.
        Trades = "trades",
        /// Statistics of the day.
        Ticker = "ticker",
        /// Best bid and ask.
        TopOfBook = "top_of_book",
        /// Snapshots and deltas of a book.
        Book = "book",
        /// Merged views.
        Merged = "merged",
        /// Merged books.
        MergedBook = "merged_book",
        /// Execution reports.
        Executions = "executions",
        /// Control acknowledgements and results.
        Control = "control",
    }
}

named! {
    /// A side of the book, or of an order.
    pub enum Side as "side" {
        /// Buying: bids.
        Buy = "BUY",
        /// Selling: asks.
        Sell = "SELL",
    }
}
