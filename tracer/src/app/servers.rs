//! The servers' own word: a log that is read or followed, monitoring that is asked, wired to the core.
use super::{Failure, say};
use crate::cli::{Monitor as Asked, Plan};
use crate::pipeline::Judge;
use crate::source::monitor::{Answer, Monitor, Target, ask_once};
use crate::source::server_log::{self, Tail};

/// What servers say.
#[derive(Default)]
pub struct Servers {
    log: Option<Tail>,
    monitor: Option<Monitor>,
}

impl Servers {
    /// Opens the log while that is still allowed.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn open(plan: &Plan) -> Result<Self, Failure> {
        let log = plan.server_log.as_deref().map(Tail::open).transpose();
        Ok(Self { log: log.map_err(|e| Failure::Run(e.to_string()))?, monitor: None })
    }

    /// Begins to ask; its thread begins here, so after privileges are dropped. From now on closes wait for the answer.
    ///
    /// # Errors
    /// Where no thread can be made.
    pub fn start(&mut self, plan: &Plan, judge: &mut Judge) -> Result<(), Failure> {
        if let Some(target) = target(plan) {
            let monitor = Monitor::start(target)
                .map_err(|e| Failure::Run(format!("asking the server's monitoring: {e}")))?;
            self.monitor = Some(monitor);
            judge.wait_for_server();
        }
        Ok(())
    }

    /// Takes in what was said since, and asks where closes have come.
    pub fn read(&mut self, judge: &mut Judge) {
        if let Some(log) = &mut self.log {
            log.read(&mut |line| judge.handle_log(line));
        }
        let asks = judge.asks_server();
        let Some(monitor) = &self.monitor else { return };
        monitor.answers().for_each(|answer| take(judge, answer));
        if asks {
            monitor.ask();
        }
    }
}

/// Offline: all that servers say goes in first, so that it is there when a connection ends.
///
/// # Errors
/// Where the log can't be read.
pub fn read_all(plan: &Plan, judge: &mut Judge) -> Result<(), Failure> {
    if let Some(log) = &plan.server_log {
        let lines = server_log::read(log, &mut |line| judge.handle_log(line))
            .map_err(|e| Failure::Run(e.to_string()))?;
        if lines == 0 {
            say(&format!(
                "warning: {} has no line of nats-server's that tells of a connection",
                log.display()
            ));
        }
    }
    if let Some(target) = target(plan) {
        ask_once(target).into_iter().for_each(|answer| take(judge, answer));
    }
    Ok(())
}

fn target(plan: &Plan) -> Option<Target> {
    Some(match plan.monitor.as_ref()? {
        Asked::Url(url) => Target::Url(url.clone()),
        Asked::Auto => Target::Auto(plan.ports.clone()),
    })
}

fn take(judge: &mut Judge, answer: Answer) {
    match answer {
        Answer::Varz(varz, at) => judge.handle_varz(*varz, at),
        Answer::Closed(list, at) => judge.handle_closed_list(list, at),
        Answer::Note(text) => say(&text),
    }
}
