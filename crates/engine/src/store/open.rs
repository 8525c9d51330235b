//! Opening: permissions, format, and what to do with a file that is broken.

use std::{
    fmt::Display,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use iris_domain::{Problem, display::one_line, ids::ApprovalId, problem::Code};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    StoreError, WaitingRecord,
    index::{self, Filler},
    search::Searcher,
};
use crate::clock;

/// How long a statement waits for a lock. Only a person with the `sqlite3` shell holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a database page. An audit row has about 750, so that the rows of a full batch fill two
/// pages instead of four: each costs two writes to the log, and each of these an event for whoever
/// watches the folder.
const PAGE_SIZE: u32 = 8192;
/// Memory for pages, KiB, of each connection. All connections of a program share what they have
/// together (SQLite is built so), and it fills with the files: without a bound of ours, 2,000 each, a
/// day of messages costs 16 MB more. What is read is in the system's own cache anyway.
const CACHE_KIB: u32 = 512;
/// Up to this size the whole file is checked when it is opened, bytes: some tens of milliseconds.
/// Of a larger one only what starting needs is read; damage further in shows when it is read.
const CHECK_MAX: u64 = 16 * 1024 * 1024;

/// What SQLite says of a damaged file is cut to this many characters.
const REASON_MAX: usize = 200;

/// The tables, one step per format; `user_version` counts the steps that were made.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema1.sql"),
    include_str!("schema2.sql"),
    include_str!("schema3.sql"),
    include_str!("schema4.sql"),
    include_str!("schema5.sql"),
];

pub(super) struct Opening {
    pub(super) connection: Connection,
    pub(super) reader: Connection,
    pub(super) searcher: Searcher,
    pub(super) filler: Option<Filler>,
    pub(super) lost: Vec<WaitingRecord>,
    pub(super) problem: Option<Problem>,
}

struct Files {
    connection: Connection,
    reader: Connection,
    lost: Vec<WaitingRecord>,
    problem: Option<Problem>,
}

enum Failure {
    /// The file is no database of ours, or is damaged.
    Corrupt(String),
    Other(StoreError),
}

pub(super) fn open(path: &Path, index: &Path) -> Result<Opening, StoreError> {
    let files = record(path)?;
    let record = read_only(path).map_err(|error| cannot_read(path, error))?;
    // What the record says does not depend on it.
    let (filler, index) = match index::start(index, path) {
        Ok((filler, connection)) => (Some(filler), Some(connection)),
        Err(error) => {
            tracing::error!(%error, "The audit index cannot be opened; searches look at each row.");
            (None, None)
        }
    };
    Ok(Opening {
        connection: files.connection,
        reader: files.reader,
        searcher: Searcher { record, index },
        filler,
        lost: files.lost,
        problem: files.problem,
    })
}

fn record(path: &Path) -> Result<Files, StoreError> {
    if path.symlink_metadata().is_ok() && !path.is_file() {
        return Err(StoreError::NoFile {
            path: path.display().to_string(),
        });
    }
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| cannot_write(folder, error))?;
    }
    match prepare(path) {
        Ok(files) => Ok(files),
        Err(Failure::Other(error)) => Err(error),
        Err(Failure::Corrupt(reason)) => {
            // SQLite may quote a whole script.
            let reason = one_line(&reason, REASON_MAX);
            let kept = keep_aside(path).map_err(|error| cannot_write(path, error))?;
            tracing::error!(kept = %kept.display(), reason, "The database is corrupt; a new one was started.");
            let mut files = prepare(path).map_err(|failure| match failure {
                Failure::Corrupt(reason) => cannot_write(path, reason),
                Failure::Other(error) => error,
            })?;
            files.problem = Some(Problem::new(
                Code::Storage,
                format!(
                    "The database was corrupt ({reason}). It is kept as {}; a new one was started.",
                    kept.display()
                ),
                "Sessions start anew, and the audit log begins again. To look into the old one, open the kept file with the sqlite3 tool.",
            ));
            Ok(files)
        }
    }
}

/// A connection that cannot change anything.
pub(crate) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    bound(&connection)?;
    Ok(connection)
}

/// A connection that can write.
pub(crate) fn writable(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    bound(&connection)?;
    Ok(connection)
}

/// How long it waits for others, and how much memory it takes.
fn bound(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(&format!("PRAGMA cache_size = -{CACHE_KIB}"))
}

pub(super) fn cannot_write(path: &Path, reason: impl Display) -> StoreError {
    StoreError::Write {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

pub(super) fn cannot_read(path: &Path, reason: impl Display) -> StoreError {
    StoreError::Read {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn prepare(path: &Path) -> Result<Files, Failure> {
    only_for_the_user(path).map_err(|error| Failure::Other(cannot_write(path, error)))?;
    let sql = |error| sql_failure(path, &error);
    let mut connection = writable(path).map_err(sql)?;
    // Before the first page is written; without effect on a database that exists.
    connection
        .execute_batch(&format!("PRAGMA page_size = {PAGE_SIZE}"))
        .map_err(sql)?;
    connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        })
        .map_err(sql)?;
    // FULL: a commit is on the disk when it returns, not only safe from a crash of this program.
    connection
        .execute_batch("PRAGMA synchronous = FULL")
        .map_err(sql)?;
    check(path, &connection)?;
    migrate(path, &mut connection)?;
    let lost = waiting(&connection).map_err(sql)?;
    // Also the tables that are not read here are looked at once, so that a foreign file shows now.
    super::read::noted_groups(&connection).map_err(sql)?;
    super::read::noted_secrets(&connection).map_err(sql)?;
    super::read::anchor(&connection).map_err(sql)?;
    super::writer::Head::load(&connection).map_err(sql)?;
    let reader = read_only(path).map_err(sql)?;
    Ok(Files {
        connection,
        reader,
        lost,
        problem: None,
    })
}

/// Makes the file if there is none; `-wal` and `-shm` get its mode from SQLite.
pub(crate) fn only_for_the_user(path: &Path) -> io::Result<()> {
    let file = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    for beside in [beside(path, "-wal"), beside(path, "-shm")] {
        match fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn check(path: &Path, connection: &Connection) -> Result<(), Failure> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > CHECK_MAX) {
        return Ok(());
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| sql_failure(path, &error))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(Failure::Corrupt(verdict))
    }
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), Failure> {
    let sql = |error| sql_failure(path, &error);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction().map_err(sql)?;
    let found: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(sql)?;
    if found > known {
        let path = path.display().to_string();
        return Err(Failure::Other(StoreError::Newer { path, found, known }));
    }
    if found == known {
        return Ok(());
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step).map_err(sql)?;
    }
    transaction
        .execute_batch(&format!("PRAGMA user_version = {known}"))
        .map_err(sql)?;
    transaction.commit().map_err(sql)
}

fn waiting(connection: &Connection) -> rusqlite::Result<Vec<WaitingRecord>> {
    let mut statement = connection.prepare("SELECT id, draft FROM waiting ORDER BY rowid")?;
    let rows = statement.query_map([], |row| {
        Ok(WaitingRecord {
            id: ApprovalId(row.get(0)?),
            draft: super::read::json(row, 1)?,
        })
    })?;
    rows.collect()
}

fn sql_failure(path: &Path, error: &rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(_) if is_damaged(error) => Failure::Corrupt(error.to_string()),
        Some(_) => Failure::Other(cannot_write(path, error)),
        // A value that is not what we store there.
        None => Failure::Corrupt(error.to_string()),
    }
}

/// Whether SQLite says that the file is none of its, or broken. `Unknown` is its "logic error": a table
/// that should be there is not.
pub(crate) fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
    )
}

/// Moves the database and what belongs to it out of the way, never onto another file.
pub(crate) fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    let time = clock::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut kept = beside(path, &format!(".corrupt-{time}"));
    let mut n = 1;
    while kept.symlink_metadata().is_ok() {
        n += 1;
        kept = beside(path, &format!(".corrupt-{time}-{n}"));
    }
    for suffix in ["-wal", "-shm"] {
        match fs::rename(beside(path, suffix), beside(&kept, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, &kept)?;
    Ok(kept)
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
