//! From checked values to the plan: what the values say together.

mod boot;
mod expect;
mod files;
mod first_boot;
mod keyboard;
mod local_files;
mod network;
mod outputs;
mod repositories;
mod reset;
mod run;
mod services;
mod sshd;
mod trust;
mod users;
mod verify;

use imgctl_edit::Script;
use std::path::{Path, PathBuf};

use crate::fields::Fields;
use crate::finding::{Complaint, Findings, Place};
use crate::kinds::{compile, script};
use crate::plan::{LinePattern, Origin, Plan, Sourced};
use crate::reading::Reading;
use crate::source_map::LineName;

/// Compiling an expression can take milliseconds.
const MAX_EXPRESSIONS: usize = 256;

/// What every section works with.
struct Context<'c> {
    findings: &'c mut Findings,
    reading: Reading<'c>,
    /// How many regular expressions were compiled.
    expressions: usize,
    /// Whether a secret is in what was rendered last.
    rendered_secret: bool,
    /// What cannot be carried out yet, besides the keys that say so themselves.
    unsupported: Vec<Sourced<String>>,
}

impl Context<'_> {
    fn sourced<T>(&self, value: T, place: &Place) -> Sourced<T> {
        let origin = self.origin(place);
        Sourced { value, origin }
    }

    /// Where a place is.
    fn origin(&self, place: &Place) -> Origin {
        self.findings.source.origin(place)
    }

    /// A place as the name of what stands there.
    fn named(&self, place: &Place) -> Sourced<String> {
        self.sourced(place.key.clone(), place)
    }

    /// Compiles a regular expression; `None` after a finding.
    fn pattern(&mut self, text: &str, place: &Place) -> Option<LinePattern> {
        self.count_expressions(1, place)?;
        match compile(text) {
            Ok(regex) => Some(LinePattern(regex)),
            Err(complaint) => {
                self.report(place, complaint);
                None
            }
        }
    }

    /// Reads an edit; `None` after a finding.
    fn script(&mut self, text: &str, place: &Place) -> Option<Script> {
        self.count_expressions(1, place)?;
        match script(text) {
            Ok(script) => {
                self.count_expressions(script.patterns(), place)?;
                Some(script)
            }
            Err(complaint) => {
                self.report(place, complaint);
                None
            }
        }
    }

    fn count_expressions(&mut self, count: usize, place: &Place) -> Option<()> {
        self.expressions += count;
        if self.expressions <= MAX_EXPRESSIONS {
            return Some(());
        }
        let message = format!("the recipe has more than {MAX_EXPRESSIONS} regular expressions");
        let complaint = Complaint::error(message).hint("edit the file here and name it by `source`");
        self.report(place, complaint);
        None
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
pub(crate) fn plan(fields: &Fields<'_>, findings: &mut Findings, reading: Reading<'_>) -> Plan {
    let mut context = Context {
        findings,
        reading,
        expressions: 0,
        rendered_secret: false,
        unsupported: Vec::new(),
    };
    let metadata = fields.table("metadata");
    let name = metadata.and_then(|(metadata, _)| metadata.text("name"));
    let (services, user_services, default_target) = services::services(fields, &mut context);
    let text = |key| {
        let value = fields.text(key);
        value.map(|(text, place)| context.sourced(text.to_owned(), place))
    };
    let (hostname, timezone, locale) = (text("hostname"), text("timezone"), text("locale"));
    local_files::check(fields, &mut context);
    let outputs = outputs::outputs(fields, &mut context);
    let mut unsupported: Vec<Sourced<String>> = fields.later().into_iter().map(|place| context.named(place)).collect();
    unsupported.append(&mut context.unsupported);
    let pending = reading.scope.pending.iter();
    unsupported.extend(pending.map(|place| context.sourced("build.key12".to_owned(), place)));
    Plan {
        name: name.map(|(name, _)| name.to_owned()),
        expect: expect::expect(fields, &mut context),
        authorities: trust::authorities(fields, &mut context),
        repositories: repositories::repositories(fields, &mut context),
        groups: users::groups(fields, &mut context),
        users: users::users(fields, &mut context),
        files: files::files(fields, &mut context),
        sshd: sshd::sshd(fields, &mut context),
        hostname,
        timezone,
        locale,
        keyboard: keyboard::keyboard(fields, &context),
        services,
        user_services,
        default_target,
        first_boot: first_boot::first_boot(fields, &mut context),
        run: run::run(fields, &mut context),
        kernel: boot::kernel(fields, &mut context),
        sysctl: boot::sysctl(fields, &mut context),
        fstab: boot::fstab(fields, &mut context),
        swap: boot::swap(fields, &mut context),
        network: network::network(fields, &mut context),
        cloud_init: network::cloud_init(fields, &mut context),
        reset: reset::reset(fields, &mut context),
        verify: verify::verify(fields, &mut context),
        outputs,
        secrets: reading.scope.known_secrets(),
        unsupported,
    }
}
