//! From checked values to the plan: what the values say together.

mod files;
mod outputs;
mod reset;
mod services;
mod users;

use crate::HostFiles;
use crate::fields::Fields;
use crate::finding::{Complaint, Findings, Place};
use crate::plan::{Plan, Sourced};

/// What every section works with.
struct Context<'c, 's> {
    findings: &'c mut Findings<'s>,
    host: &'c dyn HostFiles,
    /// How many regular expressions were compiled.
    expressions: usize,
}

impl Context<'_, '_> {
    fn sourced<T>(&self, value: T, place: &Place) -> Sourced<T> {
        let origin = self.findings.source.origin(place);
        Sourced { value, origin }
    }

    fn report(&mut self, place: &Place, complaint: Complaint) {
        self.findings.push(place, complaint);
    }

    /// The line a place begins in, for messages about two places.
    fn line(&self, place: &Place) -> usize {
        self.findings.source.line_column(place.span.start).0
    }
}

/// Makes the plan; it is only good when no finding is an error.
pub(crate) fn plan(fields: &Fields<'_>, findings: &mut Findings<'_>, host: &dyn HostFiles) -> Plan {
    let mut context = Context {
        findings,
        host,
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
