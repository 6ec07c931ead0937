//! `natstrace doctor`: looks at the host, writes what was found, ends with 0 where live tracing can run.
use super::Failure;
use crate::cli::{self, Format, Surroundings};
use crate::source::survey::Survey;
use crate::source::wall;
use std::io::Write;

/// Examines this host and tells.
pub fn run(format: Format, out: &mut impl Write) -> Result<(), Failure> {
    let survey = Survey::examine();
    match format {
        Format::Json => cli::doctor_json(&survey, wall(), out)?,
        Format::Text => {
            let columns = Surroundings::of_process().columns.unwrap_or(100);
            cli::doctor(&survey, columns, out)?;
        }
    }
    out.flush()?;
    if survey.main_job {
        return Ok(());
    }
    Err(Failure::Run("live tracing can't run here: no capture opens (doctor says why)".to_owned()))
}
