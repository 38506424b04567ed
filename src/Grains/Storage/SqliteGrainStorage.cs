using Orleans.Runtime;
using Orleans.Storage;

namespace Peft.Orleans.Grains.Storage;

/// <summary>Grain state in the SQLite file of a local cluster, with ETags.</summary>
internal sealed class SqliteGrainStorage(SqliteFile file, IGrainStorageSerializer serializer) : IGrainStorage
{
    /// <inheritdoc/>
    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        using var connection = file.Open();
        using var command = SqliteFile.Command(
            connection,
            null,
            "SELECT payload, etag FROM grain_state WHERE grain = $grain AND state = $state",
            ("$grain", grainId.ToString()),
            ("$state", stateName)
        );
        using var reader = command.ExecuteReader();
        if (reader.Read())
        {
            grainState.State = serializer.Deserialize<T>(new BinaryData((byte[])reader[0]));
            grainState.ETag = reader.GetString(1);
            grainState.RecordExists = true;
        }
        else
        {
            grainState.State = Activator.CreateInstance<T>();
            grainState.ETag = null;
            grainState.RecordExists = false;
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var etag = Guid.NewGuid().ToString("N");
        var payload = serializer.Serialize(grainState.State).ToArray();
        using var connection = file.Open();
        var changed = grainState.ETag is null
            ? SqliteFile.Execute(
                connection,
                null,
                "INSERT OR IGNORE INTO grain_state VALUES ($grain, $state, $payload, $new)",
                ("$grain", grainId.ToString()),
                ("$state", stateName),
                ("$payload", payload),
                ("$new", etag)
            )
            : SqliteFile.Execute(
                connection,
                null,
                "UPDATE grain_state SET payload = $payload, etag = $new WHERE grain = $grain AND state = $state AND etag = $old",
                ("$grain", grainId.ToString()),
                ("$state", stateName),
                ("$payload", payload),
                ("$new", etag),
                ("$old", grainState.ETag)
            );
        if (changed != 1)
            throw new InconsistentStateException(
                $"state {stateName} of {grainId} was written by another activation",
                "unknown",
                grainState.ETag
            );
        grainState.ETag = etag;
        grainState.RecordExists = true;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        using var connection = file.Open();
        SqliteFile.Execute(
            connection,
            null,
            "DELETE FROM grain_state WHERE grain = $grain AND state = $state",
            ("$grain", grainId.ToString()),
            ("$state", stateName)
        );
        grainState.State = Activator.CreateInstance<T>();
        grainState.ETag = null;
        grainState.RecordExists = false;
        return Task.CompletedTask;
    }
}
