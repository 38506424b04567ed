using Microsoft.Data.Sqlite;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// A SQLite file of a local cluster, shared by its silo processes: one for membership, which begins anew with every cluster, one for grain
/// state and reminders.
/// </summary>
internal sealed class SqliteFile
{
    /// <summary>Where versions before <see cref="StoredForm"/> kept grain state, under the names of classes.</summary>
    internal const string EarlierStateTable = "grain_state";

    private readonly string connectionString;

    /// <summary>Opens or creates the file and its tables.</summary>
    public SqliteFile(string clusterFolder, string name)
    {
        Directory.CreateDirectory(clusterFolder);
        Path = System.IO.Path.Combine(clusterFolder, name);
        connectionString = new SqliteConnectionStringBuilder { DataSource = Path, DefaultTimeout = 30 }.ToString();
        using var connection = Open();
        Execute(connection, null, """
            PRAGMA journal_mode = WAL;
            CREATE TABLE IF NOT EXISTS membership_version (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL);
            INSERT OR IGNORE INTO membership_version VALUES (0, 0);
            CREATE TABLE IF NOT EXISTS membership (silo TEXT PRIMARY KEY, entry TEXT NOT NULL, etag INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS silo_lives (id INTEGER PRIMARY KEY CHECK (id = 0), last INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS stored_state (
                grain TEXT NOT NULL, state TEXT NOT NULL, form TEXT NOT NULL, payload BLOB NOT NULL, etag TEXT NOT NULL,
                PRIMARY KEY (grain, state));
            CREATE TABLE IF NOT EXISTS reminders (
                grain TEXT NOT NULL, name TEXT NOT NULL, hash INTEGER NOT NULL, start TEXT NOT NULL, period INTEGER NOT NULL,
                etag INTEGER NOT NULL, PRIMARY KEY (grain, name));
            """);
    }

    /// <summary>The file.</summary>
    internal string Path { get; }

    internal SqliteConnection Open()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        return connection;
    }

    internal static int Execute(
        SqliteConnection connection,
        SqliteTransaction? transaction,
        string sql,
        params (string Name, object Value)[] parameters
    )
    {
        using var command = Command(connection, transaction, sql, parameters);
        return command.ExecuteNonQuery();
    }

    internal static SqliteCommand Command(
        SqliteConnection connection,
        SqliteTransaction? transaction,
        string sql,
        params (string Name, object Value)[] parameters
    )
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value);
        return command;
    }
}
