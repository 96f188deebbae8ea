//! What a trading venue's adapter needs: decoding in place, book assembly, synthetic feeds, recordings.
