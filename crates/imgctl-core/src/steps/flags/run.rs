//! From the options of a command line to steps, in their order.

use super::{FlagArgument, FlagDeed, FlagError, FlagHost, FlagSettings, FlagSpec, flag};
use crate::steps::Step;
use imgctl_recipe::{GuestFacts, Plan, Recipe, RecipeSource, Settings, Severity, command_lines, read};
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// Options of one command line, those in files included.
const MAX_FLAGS: usize = 10_000;

/// The most bytes of a file of options.
const MAX_COMMANDS_BYTES: usize = 16 << 20;

/// An option that was read without errors.
#[derive(Clone, Debug)]
pub struct Flag {
    spec: &'static FlagSpec,
    action: Action,
}

impl Flag {
    /// The option's name without the dashes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spec.name
    }
}

#[derive(Clone, Debug)]
enum Action {
    Step(Arc<dyn Step>),
    Recipe(Recipe),
}

/// An option whose part of the guest's plan is known.
#[derive(Clone, Debug)]
pub(crate) struct PlannedFlag {
    pub(crate) spec: &'static FlagSpec,
    pub(crate) action: PlannedAction,
}

#[derive(Clone, Debug)]
pub(crate) enum PlannedAction {
    Step(Arc<dyn Step>),
    Plan(Box<Plan>),
}

impl PlannedFlag {
    /// What it asks for as a recipe, if it is the short form of one.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        match &self.action {
            PlannedAction::Step(_) => None,
            PlannedAction::Plan(plan) => Some(plan),
        }
    }
}

/// Reads the options `given`, names without dashes with their values, before any image is opened.
///
/// # Errors
/// The first option that is unknown, refused, or wrong in its value.
pub fn parse(given: &[(String, String)], host: &dyn FlagHost) -> Result<Vec<Flag>, FlagError> {
    let mut whole = Vec::new();
    for (name, text) in given {
        let spec = known(name)?;
        match spec.deed {
            FlagDeed::Commands => read_commands(text, host, &mut whole).map_err(|error| error.of(spec))?,
            _ => whole.push((spec, text.clone())),
        }
        if whole.len() > MAX_FLAGS {
            return Err(FlagError::new(format!("there are more than {MAX_FLAGS} options")));
        }
    }
    let mut settings = FlagSettings::default();
    for (spec, text) in &whole {
        if let FlagDeed::Setting(set) = spec.deed {
            set(text, &mut settings).map_err(|error| error.of(spec))?;
        }
    }
    let read = whole.iter().map(|(spec, text)| {
        let argument = FlagArgument {
            flag: spec,
            text,
            host,
            settings: &settings,
        };
        action(&argument)
            .map_err(|error| error.of(spec))
            .map(|action| Some(Flag { spec, action: action? }))
    });
    read.filter_map(Result::transpose).collect()
}

/// The option of this name as if its value had been these sections of a recipe.
///
/// # Errors
/// When the option is no short form of a recipe, or there is something wrong about the sections.
pub fn of_sections(name: &str, sections: Value, host: &dyn FlagHost) -> Result<Flag, FlagError> {
    let spec = known(name)?;
    let argument = FlagArgument {
        flag: spec,
        text: "",
        host,
        settings: &FlagSettings::default(),
    };
    let recipe = recipe(&argument, sections).map_err(|error| error.of(spec))?;
    let action = Action::Recipe(recipe);
    Ok(Flag { spec, action })
}

fn known(name: &str) -> Result<&'static FlagSpec, FlagError> {
    flag(name).ok_or_else(|| {
        FlagError::with_hint(
            format!("there is no option --{name}"),
            "`imgctl steps` lists the options that there are",
        )
    })
}

/// A file of options: of each line, the name and after a space the value.
fn read_commands(
    file: &str,
    host: &dyn FlagHost,
    whole: &mut Vec<(&'static FlagSpec, String)>,
) -> Result<(), FlagError> {
    let failed = |reason: String| FlagError::new(format!("cannot read the local file {file}: {reason}"));
    let bytes = host.read_file(Path::new(file), MAX_COMMANDS_BYTES);
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".to_owned()))?;
    for command in command_lines(&text) {
        let in_line = |message: &str| format!("{file}:{}: {message}", command.line);
        let inner = known(&command.name).map_err(|error| error.reworded(in_line(&error.to_string())))?;
        let problem = match (inner.deed, command.value.as_str()) {
            (FlagDeed::Commands, _) => Some("files of options do not name each other"),
            (_, "") if !inner.value.is_empty() => Some("it needs a value"),
            (_, value) if inner.value.is_empty() && !value.is_empty() => Some("it takes no value"),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(FlagError::new(in_line(&format!("{}: {problem}", command.name))));
        }
        whole.push((inner, command.value));
        if whole.len() > MAX_FLAGS {
            return Err(FlagError::new(format!("there are more than {MAX_FLAGS} options")));
        }
    }
    Ok(())
}

fn action(argument: &FlagArgument<'_>) -> Result<Option<Action>, FlagError> {
    match argument.flag.deed {
        FlagDeed::Step(read) => read(argument).map(|step| Some(Action::Step(step))),
        FlagDeed::Recipe(sections) => {
            let recipe = recipe(argument, sections(argument.text)?)?;
            Ok(Some(Action::Recipe(recipe)))
        }
        FlagDeed::Setting(_) | FlagDeed::Nothing(_) | FlagDeed::Commands => Ok(None),
        FlagDeed::Later(reason) => Err(FlagError::with_hint("it is not supported yet", reason)),
        FlagDeed::Refused(reason) => Err(FlagError::new(reason)),
    }
}

/// The recipe that has these sections and nothing else. JSON is YAML, so its own reader reads it.
fn recipe(argument: &FlagArgument<'_>, sections: Value) -> Result<Recipe, FlagError> {
    let mut document = Map::new();
    document.insert("apiVersion".to_owned(), "imgctl/v1".into());
    document.insert("kind".to_owned(), "Recipe".into());
    if let Value::Object(sections) = sections {
        document.extend(sections);
    }
    let source = RecipeSource {
        name: Path::new("--"),
        text: &serde_json::to_vec(&document).unwrap_or_default(),
    };
    let outcome = read(source, &Settings::default(), argument.host);
    let errors = outcome
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    match (outcome.recipe, errors.into_iter().next()) {
        (Some(recipe), _) => match recipe.unsupported().first() {
            None => Ok(recipe),
            Some(key) => Err(FlagError::new(format!("`{}` is not supported yet", key.value))),
        },
        (None, Some(finding)) => Err(FlagError::of_finding(finding)),
        (None, None) => Err(FlagError::new("its value is not understood")),
    }
}

/// What the options ask for in a guest of which `facts` are known.
///
/// # Errors
/// The first option that contradicts itself in this guest.
pub(crate) fn planned(flags: &[Flag], facts: &GuestFacts) -> Result<Vec<PlannedFlag>, FlagError> {
    let planned = flags.iter().map(|flag| {
        let action = match &flag.action {
            Action::Step(step) => PlannedAction::Step(Arc::clone(step)),
            Action::Recipe(recipe) => {
                let plan = recipe.plan(facts).map_err(|findings| match findings.first() {
                    Some(finding) => FlagError::of_finding(finding).of(flag.spec),
                    None => FlagError::new("it contradicts itself in this guest").of(flag.spec),
                })?;
                PlannedAction::Plan(Box::new(plan))
            }
        };
        Ok(PlannedFlag {
            spec: flag.spec,
            action,
        })
    });
    planned.collect()
}
