using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Orleans.Serialization;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Runs;
using Peft.Orleans.Grains.Storage;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Grains.Tests.Storage;

/// <summary>What outlives a build, and what is refused of another's.</summary>
public sealed class StoredFormTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-state").FullName;
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    [Fact]
    public async Task A_record_comes_back_and_no_name_of_a_class_is_stored()
    {
        var file = new SqliteFile(folder, ClusterFolder.State);
        var term = new Term(7, Guid.NewGuid());
        var model = Path.Combine(SharedFolder.RepositoryRoot, "examples", "tiny-llama");
        var spec = RunFile.Parse(
            $$"""
            name: small
            model: { path: {{model}} }
            data: { train: { path: /none, format: text } }
            method: { name: hybrid }
            training: { steps: 3 }
            """,
            "run.yaml");
        var run = RunResolver.Resolve(spec, ModelFolder.Open(model), threads: 1);
        var written = new GrainState<RunRecord>(new RunRecord
        {
            Request = new RunRequest("small", "/runs/small", run.Yaml, Resume: false),
            Term = term,
            Run = run,
            Status = new RunStatus { RunId = "small", Folder = "/runs/small", State = RunState.Running, Created = DateTimeOffset.UtcNow },
        });
        var id = GrainId.Create("run", "small");
        await Storage(file).WriteStateAsync("run", id, written);
        StoredForm.CheckAll(file);
        var read = new GrainState<RunRecord>();
        await Storage(file).ReadStateAsync("run", id, read);
        Assert.Equal(written.State!.Request, read.State!.Request);
        Assert.Equal(term, read.State.Term);
        Assert.Equal(JsonSerializer.Serialize(written.State), JsonSerializer.Serialize(read.State));
        Assert.Equal(written.ETag, read.ETag);

        using var connection = file.Open();
        using var row = SqliteFile.Command(connection, null, "SELECT grain, form, payload FROM stored_state");
        using var reader = row.ExecuteReader();
        Assert.True(reader.Read());
        Assert.Equal(("run/small", "Peft.Orleans.RunRecord"), (reader.GetString(0), reader.GetString(1)));
        var text = System.Text.Encoding.Latin1.GetString((byte[])reader[2]);
        Assert.DoesNotContain("Peft.Orleans.Core", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Peft.Orleans.Grains", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_row_of_another_version_is_refused_with_file_grain_form_and_remedy()
    {
        var file = new SqliteFile(folder, ClusterFolder.State);
        using (var connection = file.Open())
            SqliteFile.Execute(
                connection,
                null,
                "INSERT INTO stored_state VALUES ('run/later', 'run', 'Peft.Orleans.RunRecord.9', x'00', 'e')");
        var refused = Assert.Throws<PeftException>(() => StoredForm.CheckAll(file));
        Assert.Equal(
            $"{Path.Combine(folder, "state.db")}: what is stored of run/later has the form 'Peft.Orleans.RunRecord.9', "
                + "which this version of Peft.Orleans does not read; go on with the version that wrote it, or move this file away and "
                + "resume: a run then goes on from the last snapshot in its folder",
            refused.Message);
        // A silo of another version may write while this one lives.
        var read = await Assert.ThrowsAsync<PeftException>(() =>
            Storage(file).ReadStateAsync("run", GrainId.Create("run", "later"), new GrainState<RunRecord>()));
        Assert.Equal(refused.Message, read.Message);
    }

    [Fact]
    public void What_versions_before_stored_under_names_of_classes_is_refused()
    {
        var file = new SqliteFile(folder, ClusterFolder.State);
        using (var connection = file.Open())
        {
            SqliteFile.Execute(connection, null, "CREATE TABLE grain_state (grain TEXT, state TEXT, payload BLOB, etag TEXT)");
            StoredForm.CheckAll(file);
            SqliteFile.Execute(
                connection,
                null,
                "INSERT INTO grain_state VALUES ('run/small', 'run', '{\"$type\":\"A.RunRecord, A\"}', 'e')");
        }

        var refused = Assert.Throws<PeftException>(() => StoredForm.CheckAll(file)).Message;
        Assert.Contains(
            $"{Path.Combine(folder, "state.db")}: what is stored of run/small has names of classes, as earlier versions stored them",
            refused,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_content_under_a_known_form_is_refused_too()
    {
        var file = new SqliteFile(folder, ClusterFolder.State);
        using (var connection = file.Open())
            SqliteFile.Execute(
                connection,
                null,
                "INSERT INTO stored_state VALUES ('run/torn', 'run', 'Peft.Orleans.RunRecord', x'7b227d', 'e')");
        var read = await Assert.ThrowsAsync<PeftException>(() =>
            Storage(file).ReadStateAsync("run", GrainId.Create("run", "torn"), new GrainState<RunRecord>()));
        Assert.Contains("what is stored of run/torn", read.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        services.Dispose();
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    private SqliteGrainStorage Storage(SqliteFile file) => new(file, services.GetRequiredService<Serializer>());
}
