using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Storage;

namespace Peft.Orleans.Grains.Storage;

/// <summary>Grain state in the SQLite file of a cluster, with ETags, each row with its <see cref="StoredForm"/>.</summary>
internal sealed class SqliteGrainStorage(SqliteFile file, Serializer serializer) : IGrainStorage
{
    /// <inheritdoc/>
    /// <exception cref="Core.PeftException">The row was written by a version whose form this one does not read.</exception>
    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        using var connection = file.Open();
        using var command = SqliteFile.Command(
            connection,
            null,
            "SELECT payload, etag, form FROM stored_state WHERE grain = $grain AND state = $state",
            ("$grain", grainId.ToString()),
            ("$state", stateName)
        );
        using var reader = command.ExecuteReader();
        if (reader.Read())
        {
            grainState.State = Read<T>(grainId, reader.GetString(2), (byte[])reader[0]);
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
        var payload = serializer.SerializeToArray(grainState.State);
        using var connection = file.Open();
        var changed = grainState.ETag is null
            ? SqliteFile.Execute(
                connection,
                null,
                "INSERT OR IGNORE INTO stored_state VALUES ($grain, $state, $form, $payload, $new)",
                ("$grain", grainId.ToString()),
                ("$state", stateName),
                ("$form", StoredForm.Of<T>()),
                ("$payload", payload),
                ("$new", etag)
            )
            : SqliteFile.Execute(
                connection,
                null,
                "UPDATE stored_state SET payload = $payload, etag = $new WHERE grain = $grain AND state = $state AND etag = $old",
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
            "DELETE FROM stored_state WHERE grain = $grain AND state = $state",
            ("$grain", grainId.ToString()),
            ("$state", stateName)
        );
        grainState.State = Activator.CreateInstance<T>();
        grainState.ETag = null;
        grainState.RecordExists = false;
        return Task.CompletedTask;
    }

    private T Read<T>(GrainId grain, string form, byte[] payload)
    {
        if (form != StoredForm.Of<T>()) throw StoredForm.Unreadable(file, grain.ToString(), $"the form '{form}'");
        try
        {
            return serializer.Deserialize<T>(payload)!;
        }
        catch (Exception error) when (error is SerializerException or ArgumentException or InvalidOperationException)
        {
            throw StoredForm.Unreadable(file, grain.ToString(), $"the form '{form}' with other fields", error);
        }
    }
}
