using Npgsql;
using Orleans.Configuration;
using Orleans.Serialization;
using Peft.Orleans.Core;
using Peft.Orleans.Grains.Storage;

namespace Peft.Orleans.Silo.Stores;

/// <summary>A PostgreSQL database, through Orleans' ADO.NET providers; its tables are made by the first silo.</summary>
internal sealed class PostgresqlStore : ClusterStore
{
    private const string Invariant = "Npgsql";

    /// <summary>Keys of advisory locks: numbers that nobody else is likely to use.</summary>
    private const long TablesLock = 0x7065_6674_0001;

    private const long TurnLock = 0x7065_6674_0002;

    private readonly NpgsqlConnectionStringBuilder connection;

    internal PostgresqlStore(string text)
    {
        try
        {
            connection = new NpgsqlConnectionStringBuilder(text);
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            // What was given holds a password: it is not repeated.
            throw new PeftException("the store's connection: expected Host=…;Database=…;Username=…;Password=…, as Npgsql reads it", error);
        }

        // A server that hangs is noticed, and what waited is tried again.
        if (!connection.ContainsKey("Command Timeout")) connection.CommandTimeout = 10;
        if (!connection.ContainsKey("Timeout")) connection.Timeout = 10;
        if (!connection.ContainsKey("Application Name")) connection.ApplicationName = "peft-silo";
    }

    private string Place => $"{new Core.Endpoint(connection.Host ?? "", connection.Port)}/{connection.Database}";

    /// <inheritdoc/>
    internal override async Task Prepare()
    {
        try
        {
            await using var open = await Open();
            await MakeTables(open);
            await CheckForms(open);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new PeftException(
                $"--store postgresql: {Place}: the role {connection.Username} may not make or use the tables ({error.MessageText}); grant "
                + "it CREATE on the schema, or let a role that may start the first silo and grant this one SELECT, INSERT, UPDATE, DELETE",
                error);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw new PeftException(
                $"--store postgresql: {Place} cannot be used: {error.Message}; start the server, or correct {StoreSettings.Variable} or "
                + StoreSettings.FileOption, error);
        }
    }

    /// <inheritdoc/>
    internal override int NextLife()
    {
        using var open = new NpgsqlConnection(connection.ConnectionString);
        open.Open();
        using var draw = new NpgsqlCommand(
            """
            INSERT INTO peft_silo_lives VALUES (0, $1)
            ON CONFLICT (id) DO UPDATE SET last = greatest(peft_silo_lives.last + 1, excluded.last) RETURNING last
            """,
            open)
        {
            Parameters = { new NpgsqlParameter { Value = Now } },
        };
        return (int)draw.ExecuteScalar()!;
    }

    /// <inheritdoc/>
    internal override async Task<bool> HoldsCluster()
    {
        await using var open = await Open();
        await using var look = new NpgsqlCommand("SELECT to_regclass('peft_silo_lives') IS NOT NULL", open);
        return await look.ExecuteScalarAsync() is true;
    }

    /// <summary>An advisory lock, which falls with its connection.</summary>
    internal override async Task<IAsyncDisposable?> TryTakeTurn()
    {
        var own = new NpgsqlConnectionStringBuilder(connection.ConnectionString) { Pooling = false };
        var open = new NpgsqlConnection(own.ConnectionString);
        try
        {
            await open.OpenAsync();
            await using var take = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", open)
            {
                Parameters = { new NpgsqlParameter { Value = TurnLock } },
            };
            if (await take.ExecuteScalarAsync() is true) return open;
        }
        catch
        {
            await open.DisposeAsync();
            throw;
        }

        await open.DisposeAsync();
        return null;
    }

    /// <inheritdoc/>
    internal override void AddTo(ISiloBuilder silo)
    {
        silo.UseAdoNetClustering(options => (options.Invariant, options.ConnectionString) = (Invariant, connection.ConnectionString));
        silo.AddAdoNetGrainStorage(GrainStorage, options => options.Configure<Serializer>((storage, serializer) =>
        {
            (storage.Invariant, storage.ConnectionString) = (Invariant, connection.ConnectionString);
            storage.GrainStorageSerializer = new StoredFormSerializer(serializer, Place);
        }));
        silo.UseAdoNetReminderService(options => (options.Invariant, options.ConnectionString) = (Invariant, connection.ConnectionString));
    }

    private async Task<NpgsqlConnection> Open()
    {
        var open = new NpgsqlConnection(connection.ConnectionString);
        await open.OpenAsync();
        return open;
    }

    /// <summary>All or nothing, by one silo; the others wait for it.</summary>
    private static async Task MakeTables(NpgsqlConnection open)
    {
        await using var transaction = await open.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("SELECT pg_advisory_xact_lock($1)", open, transaction)
        {
            Parameters = { new NpgsqlParameter { Value = TablesLock } },
        })
            await hold.ExecuteNonQueryAsync();
        await using (var look = new NpgsqlCommand("SELECT to_regclass('peft_silo_lives') IS NOT NULL", open, transaction))
        {
            if (await look.ExecuteScalarAsync() is true) return;
        }

        using var script = new StreamReader(typeof(PostgresqlStore).Assembly.GetManifestResourceStream("postgresql.sql")!);
        // Orleans' queries, which the script stores, name their parameters as Npgsql does: nothing in it is a parameter of its own.
        await using (var make = new NpgsqlBatch(open, transaction))
        {
            foreach (var statement in (await script.ReadToEndAsync()).Split("\n--;\n"))
                make.BatchCommands.Add(new NpgsqlBatchCommand(statement));
            await make.ExecuteNonQueryAsync();
        }

        await transaction.CommitAsync();
    }

    private async Task CheckForms(NpgsqlConnection open)
    {
        await using var rows = new NpgsqlCommand(
            "SELECT coalesce(grainidextensionstring, graintypestring), payloadbinary FROM orleansstorage WHERE payloadbinary IS NOT NULL",
            open);
        await using var reader = await rows.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            StoredFormSerializer.Check(reader.GetString(0), reader.GetFieldValue<byte[]>(1), Place);
    }
}
