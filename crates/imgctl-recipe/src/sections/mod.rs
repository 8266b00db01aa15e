//! From checked values to the plan: what the values say together.

mod files;
mod outputs;
mod reset;
mod services;
mod users;

use std::path::{Path, PathBuf};

use crate::fields::Fields;
use crate::files::LocalFiles;
use crate::finding::{Complaint, Findings, Place};
use crate::plan::{Plan, Sourced};
use crate::source_map::LineName;

/// What every section works with.
struct Context<'c> {
    findings: &'c mut Findings,
    files: &'c mut LocalFiles<'c>,
    /// How many regular expressions were compiled.
    expressions: usize,
}

impl Context<'_> {
    fn sourced<T>(&self, value: T, place: &Place) -> Sourced<T> {
        let origin = self.findings.source.origin(place);
        Sourced { value, origin }
    }

    fn report(&mut self, place: &Place, complaint: Complaint) {
        self.findings.push(place, complaint);
    }

    /// The line a place begins in, for messages about two places.
    fn line(&self, place: &Place) -> LineName {
        self.findings.source.line(place.span.start)
    }

    /// A local path as the file means it that it stands in.
    fn local_path(&self, text: &str, place: &Place) -> PathBuf {
        self.findings.source.file_at(place.span.start).beside(Path::new(text))
    }
}

/// Makes the plan; it is only good when no finding is an error.
pub(crate) fn plan<'c>(fields: &Fields<'_>, findings: &'c mut Findings, files: &'c mut LocalFiles<'c>) -> Plan {
    let mut context = Context {
        findings,
        files,
        expressions: 0,
    };
    let metadata = fields.table("metadata");
    let name = metadata.and_then(|(metadata, _)| metadata.text("name"));
    let hostname = fields.text("hostname");
    Plan {
        name: name.map(|(name, _)| name.to_owned()),
        expect: None,
        hostname: hostname.map(|(name, place)| context.sourced(name.to_owned(), place)),
        users: users::users(fields, &mut context),
        files: files::files(fields, &mut context),
        services: services::services(fields, &mut context),
        reset: reset::reset(fields, &context),
        verify: Vec::new(),
        outputs: outputs::outputs(fields, &mut context),
        secrets: Vec::new(),
        unsupported: Vec::new(),
    }
}
