//! Dates and times as directory entries store them, taken as UTC.
//!
//! Facts (Microsoft FAT specification): a date is year since 1980 (7 bits), month (4), day (5); a time is hour (5),
//! minute (6), seconds divided by two (5). Creation has another byte of hundredths, 0 to 199.

use imgctl_vfs::Timestamp;

/// A point in time, rounded down to what a directory entry holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct DosTime {
    pub(crate) date: u16,
    pub(crate) time: u16,
    pub(crate) hundredths: u8,
}

/// 1980-01-01T00:00:00Z.
const FIRST: i64 = 315_532_800;
/// 2107-12-31T23:59:58Z.
const LAST: i64 = 4_354_819_198;
const DAY_SECONDS: i64 = 86_400;

impl DosTime {
    /// Rounds down to two seconds (and ten milliseconds for the hundredths); what FAT cannot hold becomes its first or
    /// last moment.
    pub(crate) fn from_timestamp(timestamp: Timestamp) -> Self {
        let (seconds, nanoseconds) = match timestamp.seconds {
            early if early < FIRST => (FIRST, 0),
            late if late > LAST => (LAST, 0),
            seconds => (seconds, timestamp.nanoseconds),
        };
        let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS));
        let second = seconds.rem_euclid(DAY_SECONDS);
        let odd = second % 2 * 100;
        Self {
            date: ((year - 1980) << 9 | month << 5 | day) as u16,
            time: ((second / 3600) << 11 | (second / 60 % 60) << 5 | (second % 60 / 2)) as u16,
            hundredths: (odd + i64::from(nanoseconds.min(999_999_999) / 10_000_000)) as u8,
        }
    }

    /// What is out of range (month 0, second 62) is taken as the nearest that is in range.
    pub(crate) fn to_timestamp(self) -> Timestamp {
        let year = i64::from(self.date >> 9) + 1980;
        let month = i64::from(self.date >> 5 & 15).clamp(1, 12);
        let day = i64::from(self.date & 31).max(1);
        let hour = i64::from(self.time >> 11).min(23);
        let minute = i64::from(self.time >> 5 & 63).min(59);
        let second = i64::from(self.time & 31).min(29) * 2;
        let hundredths = u32::from(self.hundredths.min(199));
        let days = days_from_civil(year, month, day);
        Timestamp {
            seconds: days * DAY_SECONDS + hour * 3600 + minute * 60 + second + i64::from(hundredths / 100),
            nanoseconds: hundredths % 100 * 10_000_000,
        }
    }

    /// The same moment for the `fatfs` crate.
    pub(crate) fn to_fatfs(self) -> fatfs::DateTime {
        let hundredths = u16::from(self.hundredths);
        fatfs::DateTime {
            date: fatfs::Date {
                year: (self.date >> 9) + 1980,
                month: self.date >> 5 & 15,
                day: self.date & 31,
            },
            time: fatfs::Time {
                hour: self.time >> 11,
                min: self.time >> 5 & 63,
                sec: (self.time & 31) * 2 + hundredths / 100,
                millis: hundredths % 100 * 10,
            },
        }
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_survives() {
        for day in 0..46_751 {
            let timestamp = Timestamp {
                seconds: FIRST + day * DAY_SECONDS + day % 86_399,
                nanoseconds: 120_000_000,
            };
            assert_eq!(DosTime::from_timestamp(timestamp).to_timestamp(), timestamp);
        }
    }

    #[test]
    fn known_moments() {
        let leap = DosTime::from_timestamp(Timestamp::from_seconds(1_709_210_096)); // 2024-02-29T12:34:56Z
        assert_eq!((leap.date, leap.time), (44 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28));
        let early = DosTime::from_timestamp(Timestamp::from_seconds(-1));
        assert_eq!(early.to_timestamp().seconds, FIRST);
        let late = DosTime::from_timestamp(Timestamp::from_seconds(i64::MAX));
        assert_eq!(late.to_timestamp().seconds, LAST);
        assert_eq!(DosTime::default().to_timestamp().seconds, FIRST);
        let garbage = DosTime {
            date: u16::MAX,
            time: u16::MAX,
            hundredths: u8::MAX,
        };
        assert!(garbage.to_timestamp().seconds <= LAST + 3);
    }
}
