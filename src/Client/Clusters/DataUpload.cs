using System.Globalization;
using System.Security.Cryptography;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// Brings data sets and initial adapter of a run to a remote cluster. Paths are the silos'; what only this machine has is uploaded
/// and named by its hash, so that a second run finds it there.
/// </summary>
internal static class DataUpload
{
    /// <summary>The run with paths that silos can read.</summary>
    /// <exception cref="PeftException">A path means one content here and another there.</exception>
    public static async Task<RunSpec> Run(Terminal terminal, ClusterClient cluster, RunSpec spec, CancellationToken cancellation)
    {
        var grains = cluster.Grains;

        async Task<string> Place(string key, string path)
        {
            // What is not here can only be the silos'; they refuse what they do not find.
            if (DataFiles.Find(path) is not { Count: > 0 } files) return path;
            if (files is [var only] && only == path) return await PlaceFile(key, path);
            // Files of one name in several folders get their places before it, which keeps their order.
            var clash = files.Select(Path.GetFileName).Distinct().Count() < files.Count;
            var sent = await Hashed(files.Select((file, i) => (file, clash ? $"{i:D5}-{Path.GetFileName(file)}" : Path.GetFileName(file))));
            var grain = grains.GetGrain<IDataUploadGrain>(UploadedFile.KeyOf(sent));
            var found = await cluster.Ask(() => grain.FindFiles(path, sent), cancellation);
            if (found.Differs) throw Differs(key, path);
            return found.Path == path ? path : Path.Combine(found.Path ?? await SendAll(grain, files, sent), "*");
        }

        async Task<string> PlaceFile(string key, string path)
        {
            var sha256 = await HashOf(path, cancellation);
            var grain = grains.GetGrain<IDataUploadGrain>(sha256);
            var found = await cluster.Ask(() => grain.Find(path), cancellation);
            if (found.Differs) throw Differs(key, path);
            return found.Path ?? await Send(terminal, cluster, grain, path, found.Received, cancellation);
        }

        async Task<string> PlaceAdapter(string folder)
        {
            if (!AdapterFolder.Is(folder)) return folder;
            // What silos would refuse needs no upload.
            _ = AdapterFolder.Read(folder);
            string[] paths = [Path.Combine(folder, AdapterFolder.ConfigName), Path.Combine(folder, AdapterFolder.WeightsName)];
            var files = await Hashed(paths.Select(static path => (path, Path.GetFileName(path))));
            var grain = grains.GetGrain<IDataUploadGrain>(UploadedFile.KeyOf(files));
            var found = await cluster.Ask(() => grain.FindFolder(folder, files), cancellation);
            if (found.Differs) throw Differs("method.initial_adapter", folder);
            return found.Path ?? await SendAll(grain, paths, files);
        }

        async Task<UploadedFile[]> Hashed(IEnumerable<(string Path, string Name)> files)
        {
            var hashed = new List<UploadedFile>();
            foreach (var (path, name) in files) hashed.Add(new UploadedFile(name, await HashOf(path, cancellation)));
            return [.. hashed];
        }

        async Task<string> SendAll(IDataUploadGrain grain, IReadOnlyList<string> paths, UploadedFile[] files)
        {
            foreach (var (path, file) in paths.Zip(files))
            {
                var upload = grains.GetGrain<IDataUploadGrain>(file.Sha256);
                var sent = await cluster.Ask(() => upload.Find(""), cancellation);
                if (sent.Path is null) await Send(terminal, cluster, upload, path, sent.Received, cancellation);
            }

            return await cluster.Ask(() => grain.CommitFolder(files), cancellation);
        }

        var data = spec.Data;
        var train = new List<DataSource>();
        foreach (var (i, source) in data.Train.Index())
            train.Add(source with { Path = await Place(data.Train.KeyOf(i), source.Path) });
        return spec with
        {
            Method = spec.Method with { InitialAdapter = spec.Method.InitialAdapter is { } adapter ? await PlaceAdapter(adapter) : null },
            Data = data with
            {
                Train = new DataSources(train),
                Validation = data.Validation is { Path: { } validation } held
                    ? held with { Path = await Place("data.validation.path", validation) }
                    : data.Validation,
                Evaluation = data.Evaluation is { } evaluation
                    ? evaluation with { Path = await Place("data.evaluation.path", evaluation.Path) }
                    : null,
            },
        };
    }

    private static PeftException Differs(string key, string path) =>
        new(
            $"{key}: {path} exists here and on the cluster, with different content; rename one of them, so that it is clear which is meant"
        );

    private static async Task<string> Send(
        Terminal terminal,
        ClusterClient cluster,
        IDataUploadGrain grain,
        string path,
        long offset,
        CancellationToken cancellation
    )
    {
        await using var file = File.OpenRead(path);
        terminal.Note(string.Create(CultureInfo.InvariantCulture, $"uploading {path} ({file.Length - offset:N0} bytes)"));
        file.Position = Math.Min(offset, file.Length);
        var buffer = new byte[DataLocation.LargestChunk];
        int read;
        while ((read = await file.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation)) > 0)
        {
            // Sent again where no answer came: the same bytes at the same place.
            var (place, chunk) = (file.Position - read, buffer[..read]);
            await cluster.Ask(() => grain.Append(place, chunk), cancellation);
        }

        return await cluster.Ask(grain.Commit, cancellation);
    }

    private static async Task<string> HashOf(string path, CancellationToken cancellation)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellation));
    }
}
