using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Text;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// Copies and canonical texts of the protocols' state machines, field by field: a field of a kind unknown here is an error, not overlooked.
/// </summary>
internal static class ProtocolCopies
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Fields = [];
    private static readonly FieldInfo WaitingField = typeof(CoordinatorProtocol).GetField(
        "waiting",
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;
    private static readonly MethodInfo Shallow = typeof(object).GetMethod(
        "MemberwiseClone",
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;

    internal static T Copy<T>(T machine) where T : class
    {
        var copy = (T)Shallow.Invoke(machine, null)!;
        foreach (var field in FieldsOf(machine.GetType()))
        {
            if (field.GetValue(copy) is { } value && CopyOf(value) is { } other) field.SetValue(copy, other);
        }

        return copy;
    }

    internal static void SetTerm(AgentProtocol agent, Term term) =>
        typeof(AgentProtocol).GetProperty(nameof(AgentProtocol.Term))!.SetValue(agent, term);

    /// <summary>Whose answers a coordinator waits for.</summary>
    internal static HashSet<string> Waiting(CoordinatorProtocol coordinator) => (HashSet<string>)WaitingField.GetValue(coordinator)!;

    internal static string Text(object machine)
    {
        var text = new StringBuilder();
        foreach (var field in FieldsOf(machine.GetType()))
        {
            if (!IsUnread(machine, field.Name)) Append(text, field.GetValue(machine));
            text.Append(';');
        }

        return text.ToString();
    }

    /// <summary>
    /// What the machine will set before it reads it, so that it makes no difference: the answers to fences, once the target is drawn from
    /// them, and, on a fenced silo, how far it had come; its next <c>Start</c> says all that anew.
    /// </summary>
    private static bool IsUnread(object machine, string field) => machine switch
    {
        CoordinatorProtocol { Phase: not (CoordinatorPhase.Fencing or CoordinatorPhase.Planning) } =>
            field is "holdings" or "claims" or "disputed" or "uncompared",
        AgentProtocol { Phase: AgentPhase.Fenced } => field is "applied" or "<Target>k__BackingField" or "<Plan>k__BackingField",
        _ => false,
    };

    /// <summary>Null: immutable, shared.</summary>
    private static object? CopyOf(object value) => value switch
    {
        HashSet<string> set => new HashSet<string>(set),
        List<string> list => new List<string>(list),
        Dictionary<int, HashSet<int>> map => map.ToDictionary(static pair => pair.Key, static pair => new HashSet<int>(pair.Value)),
        SortedDictionary<int, SortedDictionary<int, string>> map => new SortedDictionary<int, SortedDictionary<int, string>>(
            map.ToDictionary(static pair => pair.Key, static pair => new SortedDictionary<int, string>(pair.Value))),
        Dictionary<(int, int), string> map => new Dictionary<(int, int), string>(map),
        HashSet<int> set => new HashSet<int>(set),
        HashSet<(int, int)> set => new HashSet<(int, int)>(set),
        string or SeatPlan or ValueType => null,
        _ => throw new NotSupportedException($"the explorer cannot copy a {value.GetType()}"),
    };

    private static void Append(StringBuilder text, object? value)
    {
        switch (value)
        {
            case null: text.Append('-'); break;
            case SeatPlan plan: Append(text, plan); break;
            case Term term: text.Append(term.Counter); break;
            case string or ValueType: text.Append(value); break;
            case SortedDictionary<int, SortedDictionary<int, string>> map:
                foreach (var (key, hashes) in map)
                {
                    text.Append(key).Append(':');
                    foreach (var (version, hash) in hashes) text.Append(hash.Length > 0 ? $"{version}={hash}" : $"{version}").Append(',');
                    text.Append('|');
                }

                break;
            case Dictionary<(int, int), string> map: text.AppendJoin(',', map.OrderBy(static pair => pair.Key)); break;
            case HashSet<int> set: text.AppendJoin(',', set.Order()); break;
            case HashSet<(int, int)> set: text.AppendJoin(',', set.Order()); break;
            case Dictionary<int, HashSet<int>> map:
                foreach (var (key, set) in map.OrderBy(static pair => pair.Key))
                    text.Append(key).Append(':').AppendJoin(',', set.Order()).Append('|');
                break;
            case HashSet<string> set: text.AppendJoin(',', set.Order(StringComparer.Ordinal)); break;
            case IEnumerable list: text.AppendJoin(',', list.Cast<object>()); break;
            default: throw new NotSupportedException($"the explorer cannot write a {value.GetType()}");
        }
    }

    private static void Append(StringBuilder text, SeatPlan plan)
    {
        text.AppendJoin(',', plan.Silos.Select(static silo => silo.Incarnation)).Append('/');
        foreach (var seat in plan.Seats) text.Append(seat.Layer).Append(seat.Replica).Append(seat.Silo).Append(seat.Active ? '+' : '-');
    }

    private static FieldInfo[] FieldsOf(Type type) => Fields.GetOrAdd(type, static type =>
    {
        var fields = new List<FieldInfo>();
        for (var at = type; at is not null && at != typeof(object); at = at.BaseType)
            fields.AddRange(at.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly));
        return [.. fields];
    });
}
