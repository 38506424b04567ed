namespace Peft.Orleans.Architecture.Tests;

/// <summary>Rooms of a project, the folders below it: none uses, however indirectly, one that uses it.</summary>
public sealed class CirclesTests
{
    [Theory]
    [InlineData("Client")]
    [InlineData("Core")]
    [InlineData("Data")]
    [InlineData("Grains")]
    [InlineData("Kernels")]
    [InlineData("Silo")]
    public void Rooms_form_no_circle(string project)
    {
        var uses = Product
            .Written(project)
            .SelectMany(type =>
                Dependencies
                    .Used(type)
                    .Where(other => other.Assembly == type.Assembly)
                    .Select(other =>
                        (
                            From: Product.RoomOf(project, type),
                            To: Product.RoomOf(project, other),
                            Because: $"{type.Name} uses {other.Name}"
                        )
                    )
            )
            .Where(static use => !string.IsNullOrEmpty(use.From) && !string.IsNullOrEmpty(use.To) && use.From != use.To)
            .ToLookup(static use => use.From!, static use => (To: use.To!, use.Because));
        var circles = uses.SelectMany(from =>
            from.Where(use => Reaches(use.To, from.Key)).Select(use => $"{from.Key} → {use.To}: {use.Because}")
        );
        Broken.None(circles);

        bool Reaches(string room, string target)
        {
            var seen = new HashSet<string>();
            var next = new Stack<string>([room]);
            while (next.TryPop(out var current))
            {
                if (current == target) return true;
                if (!seen.Add(current)) continue;
                foreach (var (to, _) in uses[current]) next.Push(to);
            }

            return false;
        }
    }
}
