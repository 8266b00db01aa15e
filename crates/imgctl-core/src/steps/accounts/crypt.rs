//! Password hashes of crypt(5): made as the guest's PAM makes them, and verified.

use super::customs::Customs;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, StepFailure, fixed};
use sha_crypt::{Algorithm, PasswordHasher as _, PasswordVerifier as _, ShaCrypt};
use yescrypt::Yescrypt;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    /// `$y$`, with libcrypt's cost of 5: 16 MiB of memory.
    Yescrypt,
    /// `$6$`, 5000 rounds.
    Sha512,
    /// `$5$`, 5000 rounds.
    Sha256,
}

impl Method {
    /// The method that PAM's and login.defs' words name, if it is one that should still be used.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "yescrypt" => Some(Self::Yescrypt),
            "sha512" => Some(Self::Sha512),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// The most memory that verifying a hash of the guest may take.
const MAX_YESCRYPT_BYTES: u64 = 128 << 20;

/// The most rounds that verifying a hash of the guest may take.
const MAX_SHA_ROUNDS: u32 = 1_000_000;

/// The files in which the families say how passwords are hashed.
const PAM_FILES: [&str; 4] = [
    "/etc/pam.d/common-password",
    "/etc/pam.d/system-auth",
    "/etc/pam.d/password-auth",
    "/etc/pam.d/passwd",
];

/// How the guest itself would hash a new password: as the option of pam_unix says, else ENCRYPT_METHOD. The C library of
/// Alpine knows no yescrypt, and a guest that says nothing gets what all of them know.
pub(super) fn method_of(guest: &mut Guest, customs: &Customs) -> Outcome<Method> {
    for file in PAM_FILES {
        let text = guest.read(&fixed(file), MAX_TEXT_BYTES)?.unwrap_or_default();
        if let Some(word) = pam_method(&String::from_utf8_lossy(&text)) {
            return Ok(known_or_sha512(guest, word, file));
        }
    }
    match customs.login_def("ENCRYPT_METHOD") {
        Some(word) => Ok(known_or_sha512(guest, word, "/etc/login.defs")),
        None => Ok(Method::Sha512),
    }
}

fn known_or_sha512(guest: &mut Guest, word: &str, file: &str) -> Method {
    Method::named(word).unwrap_or_else(|| {
        guest.warn(format!(
            "{file} asks for {word} to hash passwords; sha512 is used instead"
        ));
        Method::Sha512
    })
}

/// The method of the line for new passwords that calls pam_unix.
fn pam_method(text: &str) -> Option<&str> {
    const METHODS: [&str; 8] = [
        "yescrypt",
        "gost_yescrypt",
        "sha512",
        "sha256",
        "blowfish",
        "md5",
        "bigcrypt",
        "des",
    ];
    text.lines().find_map(|line| {
        let line = line.trim_start().trim_start_matches('-');
        let calls = line.starts_with("password") && line.contains("pam_unix");
        let mut words = line.split_ascii_whitespace().filter(|_| calls);
        words.find(|word| METHODS.contains(word))
    })
}

/// Bytes from the operating system's source of randomness.
pub(super) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(StepFailure::refused(format!(
            "the operating system gives no random bytes for a salt: {error}"
        ))),
    }
}

/// A new hash with a salt from the operating system.
pub(super) fn hash(method: Method, password: &str) -> Outcome<String> {
    let failed = |_| StepFailure::refused("the password cannot be hashed");
    let sha = |algorithm| -> Outcome<String> {
        // 12 bytes are 16 letters: crypt(3) cuts a longer salt off, and then finds another hash than its own.
        let salt = random::<12>()?;
        let hashed = ShaCrypt::from(algorithm).hash_password_with_salt(password.as_bytes(), &salt);
        let hashed = hashed.map_err(failed)?;
        // As everything else writes the default.
        Ok(hashed.as_str().replacen("$rounds=5000$", "$", 1))
    };
    match method {
        Method::Sha512 => sha(Algorithm::Sha512Crypt),
        Method::Sha256 => sha(Algorithm::Sha256Crypt),
        Method::Yescrypt => {
            let salt = random::<16>()?;
            let hashed = Yescrypt::default().hash_password_with_salt(password.as_bytes(), &salt);
            Ok(hashed.map_err(failed)?.as_str().to_owned())
        }
    }
}

/// Whether `hash` is one of this password. One of a method or at a cost that is not verified here is not.
pub(super) fn verifies(hash: &str, password: &str) -> bool {
    let password = password.as_bytes();
    if let Some(rest) = hash.strip_prefix("$y$") {
        return is_affordable(rest) && Yescrypt::default().verify_password(password, hash).is_ok();
    }
    let Some(rest) = hash.strip_prefix("$6$").or_else(|| hash.strip_prefix("$5$")) else {
        return false;
    };
    let rounds = rest.strip_prefix("rounds=").and_then(|rest| rest.split_once('$'));
    let rounds = rounds.map_or(Some(5000), |(rounds, _)| rounds.parse::<u32>().ok());
    let is_bounded = rounds.is_some_and(|rounds| rounds <= MAX_SHA_ROUNDS);
    is_bounded && ShaCrypt::default().verify_password(password, hash).is_ok()
}

/// Whether the cost of a yescrypt hash is bounded, and one of those that libcrypt makes: no more than the two numbers.
fn is_affordable(rest: &str) -> bool {
    let parameters = rest.split('$').next().unwrap_or_default();
    let is_plain = parameters.len() == 3 && parameters.starts_with('j');
    let Some(parameters) = parameters.parse::<yescrypt::Params>().ok().filter(|_| is_plain) else {
        return false;
    };
    let bytes = parameters.n().checked_mul(128 * u64::from(parameters.r()));
    bytes.is_some_and(|bytes| bytes <= MAX_YESCRYPT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn what_is_hashed_verifies_and_differs_each_time() {
        for (method, begin) in [
            (Method::Yescrypt, "$y$j9T$"),
            (Method::Sha512, "$6$"),
            (Method::Sha256, "$5$"),
        ] {
            let hashed = hash(method, "pässword: 1").unwrap();
            assert!(hashed.starts_with(begin), "{hashed}");
            assert!(!hashed.contains("rounds"), "{hashed}");
            assert!(verifies(&hashed, "pässword: 1"));
            assert!(!verifies(&hashed, "pässword: 2"));
            assert_ne!(hashed, hash(method, "pässword: 1").unwrap());
        }
    }

    /// Hashes that crypt(3) made of `secret`.
    #[test]
    fn hashes_of_the_c_library_verify() {
        for hash in [
            "$6$imgctlexample$1GYdE5o4RjVRx3q", // cut off
            "$y$j9T$",
            "$y$jzzz$abc$def",
            "$y$j9T$abc",
            "$6$rounds=999999999$abc$def",
            "$1$abc$def",
            "*",
            "",
            "secret",
        ] {
            assert!(!verifies(hash, "secret"), "{hash}");
        }
    }

    #[test]
    fn pam_wins_over_login_defs() {
        for (pam, login_defs, method, warns) in [
            (
                "password [success=1 default=ignore] pam_unix.so obscure yescrypt\n",
                "ENCRYPT_METHOD SHA512\n",
                Method::Yescrypt,
                false,
            ),
            (
                "#password pam_unix.so md5\npassword sufficient pam_unix.so sha512 shadow\n",
                "",
                Method::Sha512,
                false,
            ),
            (
                "password required pam_unix.so shadow\n",
                "ENCRYPT_METHOD YESCRYPT\n",
                Method::Yescrypt,
                false,
            ),
            (
                "password required pam_unix.so md5\n",
                "ENCRYPT_METHOD YESCRYPT\n",
                Method::Sha512,
                true,
            ),
            ("auth required pam_unix.so sha256\n", "", Method::Sha512, false),
        ] {
            let pam = format!("/etc/pam.d/system-auth|{pam}");
            let login_defs = format!("/etc/login.defs|{login_defs}");
            let mut guest = guest(&[&pam, &login_defs]);
            let customs = Customs::read(&guest).unwrap();
            assert_eq!(method_of(&mut guest, &customs).unwrap(), method, "{pam}");
            assert_eq!(!guest.warnings().is_empty(), warns, "{pam}");
        }
    }
}
