use std::io;

use meltica::Running;
use meltica_telemetry::Metrics;

use super::{ControlSite, Door, Listen, ListenError, Pages, Server};
use crate::{interrupt::Interrupt, say::say};

/// Where a run is looked at, and where it is commanded.
pub(crate) struct Doors {
    pages: Door<Pages>,
    control: Door<ControlSite>,
}

impl Doors {
    /// Takes the places, so that a mistake is told before anything starts.
    pub(crate) fn open(pages: Listen, control: Listen) -> Result<Self, ListenError> {
        Ok(Self { pages: Door::open(pages)?, control: Door::open(control)? })
    }

    /// Serves until the answer is dropped, and says where.
    pub(crate) fn serve(
        self,
        metrics: Metrics,
        running: &Running,
        interrupt: &Interrupt,
    ) -> io::Result<[Server; 2]> {
        let flag = interrupt.clone();
        let places = [self.pages.address(), self.control.address()];
        let pages = self.pages.serve(Pages::new(metrics, move || !flag.is_set()))?;
        let control =
            self.control.serve(ControlSite::new(running.control(), running.stats_handle()))?;
        if let Some(address) = places[0] {
            say(format_args!("page at http://{address}/, metrics at http://{address}/metrics"));
        }
        if let Some(address) = places[1] {
            say(format_args!("control plane at http://{address}/openapi.json"));
        }
        Ok([pages, control])
    }
}
