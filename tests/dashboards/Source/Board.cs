namespace Peft.Orleans.Dashboards.Source;

/// <summary>A dashboard: what its file is made of.</summary>
/// <param name="Name">The file's name, and part of the identity by which Grafana knows it.</param>
/// <param name="Title">What Grafana lists it as.</param>
/// <param name="Description">One sentence.</param>
/// <param name="Rows">Its rows, from the top.</param>
internal sealed record Board(string Name, string Title, string Description, params Row[] Rows)
{
    /// <summary>Variables beside those that every dashboard has.</summary>
    internal IReadOnlyList<Variable> Variables { get; init; } = [];

    /// <summary>All of them, in the order in which they are to be read.</summary>
    internal static IReadOnlyList<Board> All { get; } =
    [
        Boards.RunBoard.Board,
        Boards.LayersBoard.Board,
        Boards.ElasticityBoard.Board,
        Boards.DataPlaneBoard.Board,
        Boards.HostBoard.Board,
    ];
}

/// <summary>Panels under one heading; they flow from left to right, 24 columns to a line.</summary>
internal sealed record Row(string Title, params Panel[] Panels);

/// <summary>A variable whose values are those of a label.</summary>
/// <param name="Name">As in <c>$name</c>.</param>
/// <param name="Label">Shown beside its list.</param>
/// <param name="Values">Query: <c>label_values(metric, label)</c>.</param>
internal sealed record Variable(string Name, string Label, string Values)
{
    /// <summary>Those of every dashboard, beside the data source.</summary>
    internal static IReadOnlyList<Variable> Common { get; } =
    [
        new("cluster", "Cluster", """label_values(up{job="peft-silo"}, cluster)"""),
        new("run", "Run", """label_values(peft_run_state{cluster=~"$cluster"}, run)"""),
        new("silo", "Silo", """label_values(up{job="peft-silo", cluster=~"$cluster"}, silo)"""),
    ];
}
