//! A planted secret is in nothing that imgctl tells, whether the run goes well or not.

use crate::environment::TestEnvironment;
use std::fs;

const SECRET: &str = "swordfish \"quoted\"\nand the second line";

/// Pieces of the secret as it is, escaped for JSON, and of its base64 inside of other text.
const TRACES: [&str; 9] = [
    "swordfish",
    "second line",
    "\\\"quoted\\\"",
    "c3dvcmRmaXNo",
    "N3b3JkZmlzaC",
    "dvcmRmaXNoIC",
    "zd29yZGZpc2",
    "73776f7264",
    "QgdGhlIHNlY29uZC",
];

const RECIPE: &str = r#"apiVersion: imgctl/v1
kind: Recipe
secrets:
  token: { env: TOKEN }
  other: { file: other.txt }
files:
  - { path: /etc/token, mode: "0600", content: "token=${{ secrets.token }}\n" }
  - { path: /etc/token.json, template: token.tmpl }
  - { path: /etc/motd, append: "${{ secrets.other }}" }
  - { path: /etc/hosts, line: "10.0.0.1 ${{ secrets.other }}" }
  # As if somebody had copied it.
  - { path: /etc/copied, content: "base64 PLANTED\n" }
"#;

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::with_base();
    // The secret between other text, in base64.
    environment.write("golden.yaml", RECIPE.replace("PLANTED", PLANTED));
    environment.write("token.tmpl", "{\"token\": \"${{ secrets.token }}\"}\n");
    environment.write("other.txt", "another-secret-value\n");
    environment
}

const PLANTED: &str = "eHN3b3JkZmlzaCAicXVvdGVkIgphbmQgdGhlIHNlY29uZCBsaW5lenp6";

/// What a command tells on both streams. It must end with this code.
fn told(environment: &TestEnvironment, arguments: &str, code: i32) -> String {
    let output = environment.process(arguments).env("TOKEN", SECRET).output().unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap()
    );
    assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
    told
}

fn check_silence(what: &str, told: &str) {
    for trace in TRACES.into_iter().chain(["another-secret"]) {
        assert!(!told.contains(trace), "{what} tells {trace}:\n{told}");
    }
}

#[test]
fn nothing_tells_a_secret() {
    let environment = environment();
    for arguments in [
        "recipe check golden.yaml",
        "recipe check golden.yaml --json",
        "plan base.qcow2 --recipe golden.yaml",
        "plan base.qcow2 --recipe golden.yaml --json",
        "plan base.qcow2 --recipe golden.yaml --log-format json",
        "customize base.qcow2 --recipe golden.yaml -o a.qcow2 --receipt receipt.json",
        "customize base.qcow2 --recipe golden.yaml -o b.qcow2 --json --log-format json",
    ] {
        check_silence(arguments, &told(&environment, arguments, 0));
    }
    let receipt = fs::read_to_string(environment.path("receipt.json")).unwrap();
    check_silence("the receipt", &receipt);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    let changes = receipt["changes"].as_array().unwrap();
    for path in ["/etc/token", "/etc/token.json", "/etc/motd", "/etc/hosts"] {
        let change = changes.iter().find(|change| change["path"] == path).unwrap();
        let after = &change["after"];
        assert_eq!(after["secret"], true, "{path}");
        assert!(after.get("sha256").is_none() && after.get("size").is_none(), "{path}");
    }
    // The guest has it all the same.
    let guest = environment.imgctl("cat a.qcow2 /etc/token").output().unwrap();
    assert_eq!(String::from_utf8(guest.stdout).unwrap(), format!("token={SECRET}\n"));
}

#[test]
fn what_looks_like_a_secret_by_chance_is_hidden_in_a_diff() {
    let environment = environment();
    let told = told(&environment, "plan base.qcow2 --recipe golden.yaml", 0);
    assert!(told.contains("base64 eH[secret token]"), "{told}");
}

#[test]
fn failures_do_not_tell_secrets_either() {
    let environment = environment();
    let head = "apiVersion: imgctl/v1\nkind: Recipe\nsecrets: { token: { env: TOKEN }, other: { file: other.txt } }\n";
    for (entry, code) in [
        ("{ path: /a, content: x, mode: \"${{ secrets.token }}\" }", 2),
        ("{ path: /a, content: x, owner: \"${{ secrets.other }}\" }", 2),
        ("{ path: \"/${{ secrets.other }}\", content: x }", 2),
        ("{ path: /a, source: \"${{ secrets.other }}\" }", 2),
        ("{ path: /a, line: \"${{ secrets.token }}\" }", 2),
        ("{ path: /a, content: x, when: secrets.token == \"x\" }", 2),
        // As if somebody had copied it.
        (
            "{ path: another-secret-value, content: x, modes: another-secret-value }",
            2,
        ),
        ("{ path: /a, content: x, owner: another-secret-value }", 20),
        ("{ path: /etc, content: \"${{ secrets.token }}\" }", 20),
        (
            "{ path: /a, content: \"${{ secrets.token }}\", owner: nobody-here }",
            20,
        ),
    ] {
        environment.write("failing.yaml", format!("{head}files:\n  - {entry}\n"));
        for options in ["", " --json", " --log-format json"] {
            let arguments = format!("customize base.qcow2 --recipe failing.yaml -o failed.qcow2{options}");
            check_silence(entry, &told(&environment, &arguments, code));
        }
        if code == 2 {
            for options in ["", " --json"] {
                let told = told(&environment, &format!("recipe check failing.yaml{options}"), code);
                check_silence(entry, &told);
            }
        }
        assert!(!environment.names().contains(&"failed.qcow2".to_owned()));
    }
}

#[test]
fn a_variable_that_holds_no_path_is_not_repeated() {
    let environment = TestEnvironment::new();
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nsecrets: { token: { file_from_env: TOKEN } }\n";
    environment.write("golden.yaml", recipe);
    let told = told(&environment, "recipe check golden.yaml", 2);
    check_silence("an environment variable", &told);
    assert!(told.contains("the environment variable `TOKEN`"), "{told}");
}
