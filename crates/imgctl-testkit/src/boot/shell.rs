//! A root shell of a booted guest, reached through its console's login.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::console::Console;

/// How to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// `root`, or a user who may use sudo without a password.
    pub user: String,
    /// The password.
    pub password: String,
}

/// The login prompt of agetty.
pub(crate) const LOGIN: &str = r"(?m)^\S+ login: ";

/// A command's end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// All it printed, without the last line's end.
    pub text: String,
    /// Its exit status.
    pub status: u32,
}

/// A root shell on a console.
#[derive(Debug)]
pub struct Shell<'console> {
    console: &'console mut Console,
    commands: u32,
}

impl<'console> Shell<'console> {
    /// Logs in at a prompt that has just been seen, and becomes root.
    ///
    /// # Errors
    ///
    /// When the password is refused, or on any fault of the console.
    pub fn log_in(console: &'console mut Console, credentials: &Credentials) -> Result<Self> {
        for _ in 0..3 {
            console.send(&format!("{}\n", credentials.user))?;
            console.wait_for("Password: ")?;
            console.send(&format!("{}\n", credentials.password))?;
            if !is_accepted(console)? {
                console.wait_for(LOGIN)?;
                continue;
            }
            let mut shell = Self { console, commands: 0 };
            if credentials.user != "root" {
                shell.console.send("exec sudo -n sh\n")?;
            }
            shell.prepare()?;
            return Ok(shell);
        }
        bail!("the guest refuses {}'s password", credentials.user)
    }

    /// Takes over a console where a root shell already runs.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn take_over(console: &'console mut Console) -> Result<Self> {
        let mut shell = Self { console, commands: 0 };
        shell.prepare()?;
        Ok(shell)
    }

    /// Silences everything but the commands' output.
    fn prepare(&mut self) -> Result<()> {
        // No line editor, no prompt, no echo: what comes back is only what commands print.
        let quiet =
            "set +o emacs +o vi; unset PROMPT_COMMAND; export TERM=dumb LC_ALL=C.UTF-8 PAGER=cat PS1= PS2=; stty -echo";
        for _ in 0..20 {
            // Typed ahead of the shell's start, a line may be lost: it is typed until it is answered.
            self.console
                .send(&format!("{quiet}; echo imgctl-uid-$(id -u)-$((40 + 2))\n"))?;
            let ready = self
                .console
                .wait_for_any(&[r"imgctl-uid-(\d+)-42\n"], Duration::from_secs(10))?;
            let Some((_, ready)) = ready else { continue };
            if ready.groups.first().is_none_or(|user| user != "0") {
                bail!("the shell on the console is not root's");
            }
            // Kernel messages and systemd's status lines would mix with the answers; the second may be missing.
            self.run("dmesg --console-level emerg; kill -s RTMIN+21 1")?;
            return Ok(());
        }
        bail!("no shell answers on the console")
    }

    /// Runs a command line of `sh` and waits for its end.
    ///
    /// # Errors
    ///
    /// On any fault of the console; a failing command is an [`Answer`].
    pub fn run(&mut self, command: &str) -> Result<Answer> {
        self.commands += 1;
        let number = self.commands;
        // The first mark ends what a tardy answer to an earlier line may have left; neither mark is typed literally.
        self.console.send(&format!(
            "printf 'imgctl-%s-{number}\\n' begin; {{ {command}\n}} </dev/null 2>&1; printf '\\nimgctl-%s-{number}:%d\\n' end $?\n"
        ))?;
        self.console.wait_for(&format!(r"imgctl-begin-{number}\n"))?;
        let matched = self.console.wait_for(&format!(r"\nimgctl-end-{number}:(\d+)\n"))?;
        let status = matched.groups.first().map_or("", String::as_str);
        Ok(Answer {
            text: matched.before.trim_end_matches('\n').to_owned(),
            status: status.parse().context("the exit status of a command in the guest")?,
        })
    }

    /// Runs a command that must succeed; what it printed.
    ///
    /// # Errors
    ///
    /// When it fails, with all it printed.
    pub fn expect(&mut self, command: &str) -> Result<String> {
        let answer = self.run(command)?;
        if answer.status != 0 {
            bail!(
                "in the guest, `{command}` ended with {}: {}",
                answer.status,
                answer.text
            );
        }
        Ok(answer.text)
    }
}

/// Whether the password was right.
fn is_accepted(console: &mut Console) -> Result<bool> {
    for _ in 0..20 {
        let seen = console.wait_for_any(
            &["Login incorrect", r"imgctl-42-shell", r"[#$%] $"],
            Duration::from_secs(10),
        )?;
        match seen {
            Some((0, _)) => return Ok(false),
            Some(_) => return Ok(true),
            // A prompt of another form, or one that other text has followed.
            None => console.send("echo imgctl-$((40 + 2))-shell\n")?,
        }
    }
    bail!("no shell appears after the password")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    /// A "guest" that is a script: agetty and login as far as the console can tell.
    fn guest(folder: &tempfile::TempDir) -> Console {
        let script = r#"
            tries=0
            while :; do
                printf '\nDebian fixture ttyS0\n\nfixture login: '; read name
                printf 'Password: '; read password
                [ "$password" = right ] && break
                printf '\nLogin incorrect\n'
            done
            printf '[    1.0] a kernel message\n# '
            exec sh
        "#;
        // The guest's root is no matter of who runs this test.
        let id = folder.path().join("id");
        std::fs::write(&id, "#!/bin/sh\necho 0\n").unwrap();
        std::fs::set_permissions(&id, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", path);
        Console::start(&mut command, &folder.path().join("log"), Duration::from_secs(30)).unwrap()
    }

    fn credentials(password: &str) -> Credentials {
        Credentials {
            user: "root".into(),
            password: password.into(),
        }
    }

    #[test]
    fn commands_run_and_their_output_and_status_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut console = guest(&folder);
        console.wait_for(LOGIN).unwrap();
        let mut shell = Shell::log_in(&mut console, &credentials("right")).unwrap();
        assert_eq!(shell.run("printf 'a\\nb'").unwrap().text, "a\nb");
        assert_eq!(
            shell
                .run("echo; exit_later() { return 7; }; exit_later")
                .unwrap()
                .status,
            7
        );
        assert_eq!(shell.expect("cat; echo over").unwrap(), "over");
        let error = shell.expect("echo reason; false").unwrap_err().to_string();
        assert!(error.ends_with("ended with 1: reason"), "{error}");
    }

    #[test]
    fn a_wrong_password_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let mut console = guest(&folder);
        console.wait_for(LOGIN).unwrap();
        let error = Shell::log_in(&mut console, &credentials("wrong")).unwrap_err();
        assert_eq!(error.to_string(), "the guest refuses root's password");
    }
}
