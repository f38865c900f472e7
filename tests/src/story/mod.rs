//! The story, told while it happens: a source, Manifold, two client subnets, seven steps. What is told is what
//! captures saw on the wire; Manifold is not asked. A step that is not exactly so ends the story with the
//! expectation that failed, exit status 1, and the captures and Manifold's log left for reading.

mod judge;
mod members;
mod partings;
mod stage;
mod teller;

use lab::LabError;
use stage::Stage;
use std::process::ExitCode;
use teller::Teller;

/// Why the story ended early.
#[derive(Debug)]
enum Failure {
    /// A step was not exactly so.
    Expectation(String),
    /// The machine or the lab failed.
    Lab(LabError),
    /// Nobody reads what is told.
    Output,
}

impl From<LabError> for Failure {
    fn from(why: LabError) -> Self {
        Self::Lab(why)
    }
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Self::Output
    }
}

/// Plays the story; as root, else through sudo.
pub fn run() -> ExitCode {
    let mut teller = Teller::new();
    match perform(&mut teller) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => teller.failed(&why),
    }
}

fn perform(teller: &mut Teller) -> Result<(), Failure> {
    lab::become_root()?;
    lab::stop::on_signals()?;
    teller.title()?;
    let mut stage = Stage::build()?;
    play(&mut stage, teller).inspect_err(|why| stage.keep_evidence(why))
}

fn play(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    members::nobody_asked(stage, teller)?;
    let (mut viewer4, join4) = members::user4_joins(stage, teller)?;
    let (viewer3, join3) = members::user3_joins(stage, teller, &join4, &mut viewer4)?;
    members::the_stream_goes_on(stage, teller, &join4, &join3)?;
    partings::user3_leaves(stage, teller, viewer3, (&join4, &join3))?;
    partings::user4_is_cut_off(stage, teller, viewer4, &join4)?;
    partings::a_v1_client(stage, teller)?;
    partings::curtain(stage, teller)
}
