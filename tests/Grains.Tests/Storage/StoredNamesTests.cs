using System.Reflection;
using Orleans;
using Orleans.Metadata;
using Orleans.Runtime;
using Peft.Orleans.Grains.Runs;

namespace Peft.Orleans.Grains.Tests.Storage;

/// <summary>
/// The names under which runs are stored, and the ids of what is within. A run begun by an earlier build is resumed by a later one: whoever
/// changes one of these makes it unreadable, and gives RunRecord or RunCatalog another alias, by which what was stored before is refused.
/// Members without an id are stored by a hash of their names.
/// </summary>
public class StoredNamesTests
{
    private static readonly string[] Expected =
    [
        "Peft.Orleans.BoftSpec",
        "Peft.Orleans.ComputeSpec",
        "Peft.Orleans.DataSource",
        "Peft.Orleans.DataSources 0=items",
        "Peft.Orleans.DataSpec",
        "Peft.Orleans.EarlyStoppingSpec",
        "Peft.Orleans.ElasticSpec",
        "Peft.Orleans.EvaluationSource",
        "Peft.Orleans.LambdaSpec",
        "Peft.Orleans.LinearDimensions",
        "Peft.Orleans.LoraGaSpec",
        "Peft.Orleans.LoraSpec",
        "Peft.Orleans.MethodSpec",
        "Peft.Orleans.ModelDimensions 0=HiddenSize 1=IntermediateSize 2=Blocks 3=Heads 4=KeyValueHeads 5=HeadDim "
            + "6=Vocabulary 7=Tied 8=Linears 9=BlockNorms 10=HeadNorms 11=EmbeddingNorms 12=MaxPositions",
        "Peft.Orleans.ModelSpec",
        "Peft.Orleans.OptimizerSpec",
        "Peft.Orleans.ResolvedRun 0=Spec 1=Yaml 2=Hash 3=Model 4=Dtype 5=Products 6=Threads",
        "Peft.Orleans.RunCatalog 0=Runs",
        "Peft.Orleans.RunRecord 0=Request 1=Term 2=Status 3=Recoveries 4=Run",
        "Peft.Orleans.RunRequest",
        "Peft.Orleans.RunSpec",
        "Peft.Orleans.RunStatus 0=RunId 1=Folder 2=State 3=Message 4=Step 5=Steps 6=Loss 7=ValidationLoss "
            + "8=TokensPerSecond 9=AdapterPath 10=AdapterSha256 11=Silos 12=Recoveries 13=Term 14=EvaluationBefore "
            + "15=EvaluationAfter 16=EvaluationProblems 17=Created 18=Lambda 19=PeakMemory",
        "Peft.Orleans.ScheduleSpec",
        "Peft.Orleans.SnapshotSpec",
        "Peft.Orleans.Term",
        "Peft.Orleans.TrainingSpec",
        "Peft.Orleans.UrnnSpec",
        "Peft.Orleans.ValidationSource",
    ];

    [Fact]
    public void Aliases_and_ids_of_all_that_is_stored_are_what_they_were()
    {
        var found = new SortedDictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var state in States()) Collect(state, found);
        foreach (var line in Expected)
        {
            var words = line.Split(' ');
            Assert.True(found.TryGetValue(words[0], out var ids), $"{words[0]} is stored no more, or under another alias");
            // Another id beside them is read by nobody else and harms nobody.
            Assert.Empty(words.Skip(1).Except(ids));
        }
    }

    [Fact]
    public void Types_of_the_grains_that_store() =>
        Assert.Equal(["run", "runcatalog"], Stored().Select(static grain => TypeOf(grain)).Order(StringComparer.Ordinal));

    /// <summary>Classes of grains with a state, and the types of those.</summary>
    private static IEnumerable<Type> Stored() =>
        typeof(RunRecord).Assembly.GetTypes().Where(static type => StateOf(type) is not null);

    private static IEnumerable<Type> States() => Stored().Select(static grain => StateOf(grain)!);

    private static Type? StateOf(Type grain) => grain.GetConstructors()
        .SelectMany(static constructor => constructor.GetParameters())
        .FirstOrDefault(static parameter => parameter.GetCustomAttribute<PersistentStateAttribute>() is not null)
        ?.ParameterType.GetGenericArguments()[0];

    /// <summary>As Orleans asks; null where it would take the name of the class.</summary>
    private static string? TypeOf(Type grain) => grain.GetCustomAttributes().OfType<IGrainTypeProviderAttribute>()
        .Select(attribute => attribute.GetGrainType(null!, grain).ToString()).SingleOrDefault();

    private static void Collect(Type type, SortedDictionary<string, string[]> found)
    {
        foreach (var argument in type.GetGenericArguments()) Collect(argument, found);
        if (type.HasElementType)
        {
            Collect(type.GetElementType()!, found);
            return;
        }

        if (type.Assembly.GetName().Name?.StartsWith("Peft", StringComparison.Ordinal) != true || type.IsEnum) return;
        var alias = type.GetCustomAttribute<AliasAttribute>()?.Alias;
        Assert.True(alias is not null, $"{type} is stored and has no alias");
        if (!found.TryAdd(alias, [])) return;
        var members = type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance)
            .Select(static member => (Member: member, Id: member.GetCustomAttribute<IdAttribute>()?.Id, Type: TypeOf(member)))
            .Where(static member => member.Type is not null)
            .ToArray();
        found[alias] =
            [.. members.Where(static member => member.Id is not null).Select(static member => $"{member.Id}={member.Member.Name}")];
        foreach (var member in members.Where(IsStored)) Collect(member.Type!, found);
        foreach (var derived in type.Assembly.GetTypes().Where(other => other.BaseType == type)) Collect(derived, found);
    }

    /// <summary>A field with an id, or a property that has a place to be stored in: its own field.</summary>
    private static bool IsStored((MemberInfo Member, uint? Id, Type? Type) member) =>
        member.Id is not null || (member.Member is FieldInfo field && field.GetCustomAttribute<NonSerializedAttribute>() is null);

    private static Type? TypeOf(MemberInfo member) => member switch
    {
        FieldInfo field => field.FieldType,
        PropertyInfo property => property.PropertyType,
        _ => null,
    };
}
