//! A live trace: what the interfaces and the kernel give goes into the core in one thread, whatever comes out is written at
//! once. Each [`Live::step`] waits for input at most [`WAIT`], takes what is there, and lets time pass.
use super::output::{Output, config, judge, stop_flag};
use super::servers::Servers;
use super::word::Word;
use super::{Failure, say};
use crate::base::{Addr, Span, Timestamp};
use crate::cli::{Capture, Plan};
use crate::event::{Coverage, Event, Frame, Host, Notice, NoticeCode};
use crate::pipeline::Pipeline;
use crate::source::hosts;
use crate::source::live::{
    ANY, HEADERS, HEADERS_IN_TUNNELS, Inventory, OpenError, Pressure, RING, Taps, Turn, WHOLE, Wanted,
};
use crate::source::privileges::{self, Feature};
use crate::source::{Filter, netns, wall};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A step waits so long for input at most, ms.
const WAIT: u16 = 50;
/// The core's clock runs so far behind the wall clock where no frame moves it: a ring hands over up to 100 ms late.
const LATE: Span = Span::millis(200);
/// Between two looks at the counters of the rings.
const COUNT: Duration = Duration::from_secs(1);
/// Between two looks at this host's addresses.
const ADDRESSES: Duration = Duration::from_secs(5);
/// At the end, what rings still hold is waited for so long, and read for so long at most.
const LAST_BLOCK: Duration = Duration::from_millis(130);
const LAST_READ: Duration = Duration::from_secs(1);

/// Traces until told to stop.
pub fn run(plan: &Plan, ifaces: &[String], namespace: Option<&str>) -> Result<(), Failure> {
    if let Some(filter) = &plan.filter {
        Filter::new(filter).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    if let Some(name) = namespace {
        netns::enter(name).map_err(|error| match error {
            netns::NetnsError::Missing { .. } => Failure::Run(error.to_string()),
            netns::NetnsError::Denied { .. } => Failure::Usage(error.to_string()),
        })?;
    }
    if plan.capture != Capture::Off {
        privileges::require(&[Feature::Capture]).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    let stop = stop_flag();
    let mut live = Live::open(plan, ifaces)?;
    live.ready(ifaces.is_empty());
    while !stop.load(Ordering::Relaxed) && !live.is_over() {
        live.step();
    }
    live.finish(&stop)
}

/// Everything a live trace holds.
struct Live<'a> {
    plan: &'a Plan,
    taps: Option<Taps>,
    inventory: Inventory,
    word: Word,
    servers: Servers,
    pipeline: Pipeline,
    out: Output,
    host: Host,
    /// Which capture is that of all interfaces; its frames name theirs by the kernel's numbers.
    any: Option<u32>,
    /// Nobody reads standard output any more.
    unread: bool,
    begun: Instant,
    counted: Instant,
    addressed: Instant,
    summed: Instant,
    /// How far handling was behind the wire at most since the last look.
    behind: Span,
    pressure: Pressure,
}

impl<'a> Live<'a> {
    /// Opens all sources.
    fn open(plan: &'a Plan, ifaces: &[String]) -> Result<Self, Failure> {
        let begun = Instant::now();
        let out = Output::open(plan)?;
        let wanted = Wanted { ports: plan.ports.clone(), user: plan.filter.clone(), tunnels: plan.tunnels };
        let taps = match plan.capture {
            Capture::Off => None,
            Capture::On => Some(Taps::open(ifaces, wanted, RING, WHOLE)?),
            Capture::Headers => Some(Taps::open(ifaces, wanted, RING, headers(plan))?),
        };
        let mut word = Word::open(plan)?;
        let servers = Servers::open(plan)?;
        drop_privileges(plan);
        word.start_firewall(plan)?;
        let netns = netns::own().unwrap_or(0);
        let (inventory, standing) = Inventory::start(plan.ports.clone(), netns);
        let mut live = Self {
            plan,
            inventory,
            word,
            servers,
            pipeline: Pipeline::with(&config(plan), judge(plan)),
            out,
            host: Host { addresses: Vec::new(), netns, probes: Coverage::default() },
            any: (0..).zip(taps.iter().flat_map(Taps::taps)).find(|(_, t)| t.name() == ANY).map(|(n, _)| n),
            unread: false,
            taps,
            begun,
            counted: begun,
            addressed: begun,
            summed: begun,
            behind: Span::ZERO,
            pressure: Pressure::default(),
        };
        for (capture, tap) in (0u32..).zip(live.taps.iter().flat_map(Taps::taps)) {
            live.pipeline.name_iface(capture, 0, tap.name());
        }
        let Self { servers, pipeline, .. } = &mut live;
        servers.start(plan, pipeline.judge_mut())?;
        live.look_at_host();
        for record in &standing {
            live.word.owned(record);
            live.pipeline.handle_kernel(record);
        }
        Ok(live)
    }

    /// Says that capturing has begun.
    fn ready(&mut self, by_route: bool) {
        let names: Vec<&str> = self.taps.iter().flat_map(Taps::taps).map(|tap| tap.name()).collect();
        if by_route && !names.is_empty() {
            say(&format!("no interface was named: {} has the default route", names.join(", ")));
        }
        let names = if names.is_empty() { "no interface".to_owned() } else { names.join(", ") };
        say(&format!("capturing on {names} (port {}, probes: {})", self.plan.ports, self.word.count()));
        self.word.say_notes();
    }

    /// Nothing more is to be shown, or the time is over.
    fn is_over(&self) -> bool {
        let elapsed = Span(i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
        self.unread || self.out.is_over() || self.plan.duration.is_some_and(|duration| elapsed >= duration)
    }

    /// Waits for input, takes what is there, lets time pass.
    fn step(&mut self) {
        self.wait(WAIT);
        let more = self.read_frames();
        self.read_kernel();
        if !more {
            let Self { pipeline, out, .. } = self;
            pipeline.advance(late(wall()), &mut |event| out.take(&event));
        }
        self.tend();
    }

    /// What the kernel and the rule sets have said since.
    fn read_kernel(&mut self) {
        let Self { word, pipeline, host, inventory, servers, .. } = self;
        servers.read(pipeline.judge_mut());
        for record in inventory.news() {
            word.owned(&record);
            pipeline.handle_kernel(&record);
        }
        word.read(host, &mut |record| pipeline.handle_kernel(record));
        for rule in word.answers() {
            pipeline.handle_rule(&rule);
        }
        word.ask(pipeline.questions());
    }

    /// Until something can be read, or nobody reads what is written.
    fn wait(&mut self, ms: u16) {
        let stdout = io::stdout();
        let fds = self.taps.iter().flat_map(Taps::fds).chain(self.word.fd());
        let mut fds: Vec<PollFd<'_>> =
            fds.map(|fd: BorrowedFd<'_>| PollFd::new(fd, PollFlags::POLLIN)).collect();
        if self.plan.output.is_none() {
            fds.push(PollFd::new(stdout.as_fd(), PollFlags::empty()));
        }
        // A signal ends the waiting too; whatever else poll may say, reading tells it better.
        let _ = poll(&mut fds, PollTimeout::from(ms));
        let closed = PollFlags::POLLERR | PollFlags::POLLHUP;
        let last = fds.last().and_then(PollFd::revents).is_some_and(|found| found.intersects(closed));
        self.unread |= last && self.plan.output.is_none();
    }

    /// Frames that wait, up to a bound; tells whether more do.
    fn read_frames(&mut self) -> bool {
        let Self { taps: Some(taps), pipeline, out, behind, .. } = self else { return false };
        let now = wall();
        let mut first = true;
        taps.read(now, &mut |frame| {
            if std::mem::take(&mut first) {
                *behind = (*behind).max(now - frame.at);
            }
            take(pipeline, out, frame);
        })
    }

    /// What is due by the clock.
    fn tend(&mut self) {
        if let Some(taps) = &mut self.taps {
            taps.tend(&mut |changed| say(&changed));
        }
        if self.counted.elapsed() >= COUNT {
            self.counted = Instant::now();
            let lost = self.count_lost();
            self.ease(lost);
        }
        if self.addressed.elapsed() >= ADDRESSES || self.host.probes != self.word.coverage() {
            self.addressed = Instant::now();
            self.look_at_host();
        }
        let every = self.plan.summary_every.map(|every| Duration::from_nanos(every.0.unsigned_abs()));
        if every.is_some_and(|every| self.summed.elapsed() >= every) {
            self.summed = Instant::now();
            self.sum_up();
        }
    }

    /// Tells the core what the rings had no room for.
    fn count_lost(&mut self) -> u64 {
        let records = self.word.count_lost();
        if records > 0 {
            let message =
                format!("the probes lost {records} records: what the kernel didn't say proves nothing now");
            self.out.take(&Event::Notice(Notice::new(wall(), NoticeCode::CaptureLoss, message)));
        }
        let Self { taps: Some(taps), pipeline, out, .. } = self else { return 0 };
        let lost = taps.lost();
        pipeline.handle_lost(lost, wall(), &mut |event| out.take(&event));
        lost
    }

    /// Falls back to headers under pressure, and comes back.
    fn ease(&mut self, lost: u64) {
        let behind = std::mem::take(&mut self.behind);
        if self.plan.capture != Capture::On {
            return;
        }
        let Some(turn) = self.pressure.look(self.begun.elapsed(), lost, behind) else { return };
        let Some(taps) = &mut self.taps else { return };
        let (octets, message) = match turn {
            Turn::Headers => {
                let why = if lost > 0 {
                    format!("the capture lost {lost} frames")
                } else {
                    format!("the capture is {behind} behind")
                };
                (headers(self.plan), format!("{why}: headers alone are kept until it is calm again"))
            }
            Turn::Whole(calm) => {
                (WHOLE, format!("no loss for {} s: whole packets are kept again", calm.as_secs()))
            }
        };
        if !taps.keep(octets) {
            return;
        }
        say(&message);
        self.out.take(&Event::Notice(Notice::new(wall(), NoticeCode::CaptureLoss, message)));
    }

    /// Addresses and interfaces come and go.
    fn look_at_host(&mut self) {
        let Ok(interfaces) = hosts::interfaces() else { return };
        if let Some(capture) = self.any {
            for interface in &interfaces {
                self.pipeline.name_iface(capture, interface.index, &interface.name);
            }
        }
        let addresses: Vec<Addr> = hosts::addresses(&interfaces);
        let probes = self.word.coverage();
        if self.host.addresses != addresses || self.host.probes != probes {
            (self.host.addresses, self.host.probes) = (addresses, probes);
            self.pipeline.set_host(&self.host);
        }
    }

    fn sum_up(&mut self) {
        let mut summary = self.pipeline.summary();
        if summary.packets + summary.kernel_records > 0 {
            summary.elapsed_ms = self.elapsed_ms();
            self.out.take(&Event::Summary(Box::new(summary)));
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the rings still hold is taken in, what settles is judged, then the summary. `stop`: it was asked for; else
    /// nothing more is wanted of the rings.
    fn finish(mut self, stop: &AtomicBool) -> Result<(), Failure> {
        let began = Instant::now();
        let until = wall();
        if stop.load(Ordering::Relaxed) || !(self.unread || self.out.is_over()) {
            loop {
                let more = self.read_frames();
                let past = self.pipeline.now() >= until;
                if past || began.elapsed() >= LAST_READ || (!more && began.elapsed() >= LAST_BLOCK) {
                    break;
                }
                if !more {
                    self.wait(20);
                }
            }
        }
        let Self { taps, pipeline, out, .. } = &mut self;
        if let Some(taps) = taps {
            taps.drain(&mut |frame| take(pipeline, out, frame));
        }
        self.read_kernel();
        self.count_lost();
        self.out.check()?;
        let elapsed_ms = self.elapsed_ms();
        let Self { pipeline, out, .. } = &mut self;
        pipeline.advance(late(until), &mut |event| out.take(&event));
        let mut summary = pipeline.finish(&mut |event| out.take(&event));
        summary.elapsed_ms = elapsed_ms;
        if summary.packets + summary.kernel_records > 0 {
            out.take(&Event::Summary(Box::new(summary)));
        }
        self.out.finish()
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Privilege { .. } | OpenError::Filter { .. } => Self::Usage(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

/// Lets go of all that isn't used any more; a trace that can't is still a trace.
fn drop_privileges(plan: &Plan) {
    let mut features = vec![Feature::RuleSets, Feature::Owners];
    if plan.capture != Capture::Off {
        features.push(Feature::Capture);
    }
    if let Err(error) = privileges::drop_unused(&privileges::still_needed(&features)) {
        say(&format!("warning: {error}"));
    }
}

/// The kernel's filter let it pass, hence it is wanted.
fn take(pipeline: &mut Pipeline, out: &mut Output, frame: &Frame<'_>) {
    pipeline.handle_frame(frame, true, &mut |event| out.take(&event));
}

/// How much of a frame is kept where headers alone are.
const fn headers(plan: &Plan) -> u32 {
    if plan.tunnels { HEADERS_IN_TUNNELS } else { HEADERS }
}

/// The time up to which all frames have come.
fn late(now: Timestamp) -> Timestamp {
    now + Span(-LATE.0)
}
