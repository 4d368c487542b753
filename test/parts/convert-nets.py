# Modules of a user's own, and what torch saves of them; run as a program, it writes the files beside itself.
import torch


class Net(torch.nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3)
        self.inner = torch.nn.Linear(4 * 6 * 6, hidden)
        self.last = torch.nn.Linear(hidden, 3)

    def forward(self, image):
        print("a print of the model's own")
        features = torch.relu(self.conv(image)).flatten(1)
        return {"logits": self.last(torch.relu(self.inner(features))), "features": features}


class Words(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 8)
        self.cell = torch.nn.LSTM(8, 12, batch_first=True)

    def forward(self, tokens):
        states, _ = self.cell(self.table(tokens))
        return states[:, -1]


class OneSize(torch.nn.Module):
    """Right for one image at a time."""

    def forward(self, image):
        return image.reshape(1, 64).sum(dim=1)


class Sized(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layer = torch.nn.Linear(8, size)

    def forward(self, x):
        return self.layer(x)


class Special(torch.nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


def make_sized():
    return Sized(4)


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, image):
        return self.net(image)["logits"]


if __name__ == "__main__":
    torch.manual_seed(1)
    net = Net().eval()
    torch.save(net.state_dict(), "net.pth")
    wrapped = {"module." + name: value for name, value in net.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, "training.pth")
    torch.save(Net(hidden=8).state_dict(), "other.pth")
    torch.jit.trace(Plain().eval(), torch.zeros(1, 1, 8, 8)).save("script.pt")
    if hasattr(torch, "export"):
        batch = torch.export.Dim("batch")
        program = torch.export.export(Plain().eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: batch},))
        torch.export.save(program, "program.pt2")
