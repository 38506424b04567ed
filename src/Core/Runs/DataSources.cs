using System.Collections;

namespace Peft.Orleans.Core.Runs;

/// <summary>A source of training data: files of one format.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.DataSource")]
public sealed record DataSource
{
    /// <summary>Path of a file, of a folder, or a glob; the last two stand for their files in name order.</summary>
    public string Path { get; init; } = "";

    /// <summary>Format of its samples.</summary>
    public DataFormat Format { get; init; }

    /// <summary>Share of the samples that come from it, beside the other sources' weights; null: sources follow each other.</summary>
    public double? Weight { get; init; }

    /// <summary>The files' names for the format's fields, by field, in place of <c>data.columns</c>; null: those.</summary>
    public IReadOnlyDictionary<string, string>? Columns { get; init; }
}

/// <summary>The sources of <c>data.train</c>: one, or a list.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.DataSources")]
public sealed class DataSources : IReadOnlyList<DataSource>
{
    [Id(0)]
    private readonly DataSource[] items;

    /// <summary>The sources in the order of the file.</summary>
    public DataSources(params IReadOnlyList<DataSource> items) => this.items = [.. items];

    /// <inheritdoc/>
    public int Count => items.Length;

    /// <inheritdoc/>
    public DataSource this[int index] => items[index];

    /// <summary>Whether sources are mixed by weight; else they follow each other.</summary>
    public bool Weighted => Array.Exists(items, static source => source.Weight is not null);

    /// <summary>One source, as most runs have.</summary>
    public static implicit operator DataSources(DataSource source) => new(source);

    /// <summary>The key of a source, for messages: <c>data.train.path</c>, or <c>data.train[1].path</c> (from 1) of several.</summary>
    public string KeyOf(int index) => items.Length == 1 ? "data.train.path" : $"data.train[{index + 1}].path";

    /// <inheritdoc/>
    public IEnumerator<DataSource> GetEnumerator() => ((IEnumerable<DataSource>)items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
