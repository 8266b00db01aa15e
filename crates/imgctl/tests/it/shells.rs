//! Completions and manual pages, judged by the programs that read them.

use crate::environment::TestEnvironment;
use std::fs;
use std::process::Command;

#[test]
fn every_shell_gets_its_completions() {
    let environment = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = environment.imgctl(&format!("completions {shell}")).output().unwrap();
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["customize", "from-cloud-config", "log-format", "recipe"] {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
    }
    environment.imgctl("completions tcsh").assert().code(2);
}

#[test]
fn bash_completes_commands_and_options() {
    let environment = TestEnvironment::new();
    let output = environment.imgctl("completions bash").output().unwrap();
    environment.write("imgctl.bash", output.stdout);
    let complete = |words: &str| {
        let script = format!(
            "source ./imgctl.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _imgctl imgctl \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &script])
            .current_dir(environment.path("."))
            .output()
            .expect("bash is missing: apt-get install bash");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("imgctl cu"), "customize");
    assert_eq!(complete("imgctl recipe from-v"), "from-virt-customize");
    assert_eq!(complete("imgctl plan --rec"), "--recipe --receipt");
    assert_eq!(complete("imgctl convert --color al"), "always");
}

/// The commands that `help` lists, `recipe check` and the like included.
fn commands(environment: &TestEnvironment, parent: &str) -> Vec<String> {
    let output = environment.imgctl(&format!("{parent} --help")).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    let names = lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let mut found = Vec::new();
    for name in names.filter(|name| *name != "help") {
        let whole = format!("{parent} {name}").trim().to_owned();
        found.extend(commands(environment, &whole));
        found.push(whole);
    }
    found
}

/// The names of the drop-in tools.
fn drop_in_tools(environment: &TestEnvironment) -> Vec<String> {
    fs::create_dir(environment.path("bin")).unwrap();
    environment.imgctl("install-links bin").assert().success();
    let links = fs::read_dir(environment.path("bin")).unwrap();
    links
        .map(|link| link.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_command_has_a_manual_page_that_groff_and_mandoc_read() {
    let environment = TestEnvironment::new();
    environment.imgctl("man-pages man 2025-06-15").assert().success();
    let mut pages = vec!["imgctl.1".to_owned()];
    pages.extend(
        commands(&environment, "")
            .iter()
            .map(|name| format!("imgctl-{}.1", name.replace(' ', "-"))),
    );
    pages.extend(
        drop_in_tools(&environment)
            .iter()
            .map(|name| format!("imgctl-{name}.1")),
    );
    pages.sort();
    let mut written: Vec<String> = fs::read_dir(environment.path("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, pages);
    assert!(pages.len() > 12, "{pages:?}");
    for page in pages {
        let path = environment.path("man").join(&page);
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output()
            .expect("groff is missing: apt-get install groff");
        assert_eq!(String::from_utf8(groff.stderr).unwrap(), "", "{page}");
        let mandoc = Command::new("mandoc")
            .args(["-Tlint", "-Wwarning"])
            .arg(&path)
            .output()
            .expect("mandoc is missing: apt-get install mandoc");
        let text = String::from_utf8(mandoc.stdout).unwrap();
        // How the generator sets a list of possible values apart.
        let complaints: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("skipping paragraph macro: br"))
            .collect();
        assert_eq!(complaints, [""; 0], "{page}");
    }
}
